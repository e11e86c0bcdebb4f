"""The API of dead letters: list, show, dismiss, redrive."""
