"""The `Shipment` aggregate."""

from orderflow.fulfillment.domain.shipment import OrderShipped, Shipment, ShipmentState

__all__ = ["OrderShipped", "Shipment", "ShipmentState"]
