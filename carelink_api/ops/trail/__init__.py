"""Reviews of the audit trail by API: for administrators, who are its privacy officers here."""
