"""The unit of work on SQL."""
