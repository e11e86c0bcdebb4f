"""AsyncAPI 3: documents written of what flows, read, and compared with it."""
