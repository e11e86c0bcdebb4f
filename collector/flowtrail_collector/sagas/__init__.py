"""Whether a flow finished, where it is stuck, and what is still owed."""
