"""Reactions of Fulfillment."""

from orderflow.fulfillment.application.reactions import CARRIER, Shipments, ship_order

__all__ = ["CARRIER", "Shipments", "ship_order"]
