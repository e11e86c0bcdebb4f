"""One order end to end, on one time axis."""
