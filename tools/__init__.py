"""Tools for developing; not part of any distribution."""
