"""Reading dashboards and rules, and filling in queries, for tests."""
