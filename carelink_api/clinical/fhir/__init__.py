"""FHIR R4B: another representation of what the API shows, and nothing more (decision 15)."""
