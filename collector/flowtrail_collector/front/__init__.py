"""The reading process: it has the collector's address and answers from the store, beside the process that writes it."""
