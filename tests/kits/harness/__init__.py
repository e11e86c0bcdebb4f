"""What holds the whole run of tests together; `tests/conftest.py` registers it with pytest."""
