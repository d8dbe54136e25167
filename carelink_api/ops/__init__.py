"""For operations: probes, metrics and the command line."""
