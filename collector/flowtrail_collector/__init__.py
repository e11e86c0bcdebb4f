"""flowtrail_collector."""
