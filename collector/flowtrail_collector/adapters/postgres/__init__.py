"""Adapters to PostgreSQL, and to databases that speak its protocol."""
