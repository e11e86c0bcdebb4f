"""flowtrail."""
