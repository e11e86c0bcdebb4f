"""What was given up: reading, listing, dismissing and redriving dead letters."""
