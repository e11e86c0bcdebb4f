"""Kafka: connection, tail, positions, lag, and moving dead letters."""
