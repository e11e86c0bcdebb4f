"""Reactions of Customer Management."""

from orderflow.customers.application.reactions import (
    Customers,
    check_loyalty,
    note_cancelled,
    note_placed,
    note_shipped,
)

__all__ = ["Customers", "check_loyalty", "note_cancelled", "note_placed", "note_shipped"]
