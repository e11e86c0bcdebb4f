"""Dead letters and redrives, without I/O."""
