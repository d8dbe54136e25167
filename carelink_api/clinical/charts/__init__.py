"""What a ward looks at: all its patients at a glance, one whole chart, and a record by its MRN."""
