"""Generators of the reference pages in `docs/`: `make reference` runs them."""
