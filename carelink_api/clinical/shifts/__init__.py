"""The roster over HTTP, and a charge nurse's hold on her unit's workstations."""
