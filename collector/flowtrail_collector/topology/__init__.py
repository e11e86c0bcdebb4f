"""Who feeds whom, and how fast."""
