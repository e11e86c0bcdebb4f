"""The API of dead letters: `letters` lists them, `desk` shows, dismisses and redrives; `json` is what they look like."""
