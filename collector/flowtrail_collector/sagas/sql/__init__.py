"""Instances in the store."""
