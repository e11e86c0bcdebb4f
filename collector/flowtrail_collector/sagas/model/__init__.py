"""Flows and their instances, without I/O."""
