"""Dead letters and redrive jobs in the store."""
