"""What researchers get: numbers about many, of nobody."""
