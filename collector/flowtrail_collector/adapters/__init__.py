"""Kafka and databases behind the ports."""
