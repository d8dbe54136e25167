"""`make soak`: thousands of workstations on real servers, with faults at random."""
