"""Brokers: what the collector asks of one, and the kinds it knows."""
