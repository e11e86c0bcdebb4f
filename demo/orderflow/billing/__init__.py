"""Billing: charges customers' cards."""
