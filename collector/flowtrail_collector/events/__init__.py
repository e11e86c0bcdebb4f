"""What a record says: reading events from headers, and mapping what has none."""
