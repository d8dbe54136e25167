"""For operations: probes and the command line."""
