"""Who reads what: which service reads which events in which versions of their contracts, and since when."""
