"""The tables of a store, as migrations."""
