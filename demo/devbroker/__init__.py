"""devbroker."""
