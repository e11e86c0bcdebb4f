"""Which service reacts to which, and how fast."""
