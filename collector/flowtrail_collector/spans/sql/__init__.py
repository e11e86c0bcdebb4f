"""Spans in the store."""
