"""The shared kernel: what all contexts agree on, and no more.

An order's identity, money, quantities and SKUs; what a domain event and an aggregate are. Nothing in here
knows a database, a broker or another context.
"""

from orderflow.kernel.aggregate import Aggregate
from orderflow.kernel.errors import DomainError
from orderflow.kernel.events import DomainEvent, Line
from orderflow.kernel.values import Money, Quantity, Sku, identifier

__all__ = ["Aggregate", "DomainError", "DomainEvent", "Line", "Money", "Quantity", "Sku", "identifier"]
