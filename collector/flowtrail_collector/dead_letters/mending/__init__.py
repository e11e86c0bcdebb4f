"""Looking at a dead letter's payload, and sending it back with changes; only where that is enabled."""
