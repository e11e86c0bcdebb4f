"""Reactions of Customer Management."""

from orderflow.customers.application.reactions import Customers, note_cancelled, note_placed, note_shipped

__all__ = ["Customers", "note_cancelled", "note_placed", "note_shipped"]
