"""Databases: connections, transactions, schema. What is kept in them is in the `sql` of each slice."""
