"""Samples in slots of time: what they are, how they thin out, what is made of them. No I/O."""
