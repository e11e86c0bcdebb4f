"""Keeping by outcome: which trails stay whole, which go early, and how they go."""
