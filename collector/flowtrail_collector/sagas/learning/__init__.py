"""Drafting a flow file from observed events."""
