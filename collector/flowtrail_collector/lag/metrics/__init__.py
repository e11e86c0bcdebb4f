"""Lag in the Prometheus text format."""
