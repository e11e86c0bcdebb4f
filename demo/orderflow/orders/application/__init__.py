"""Commands and reactions of Order Management."""

from orderflow.orders.application.commands import PlaceOrder, place_order
from orderflow.orders.application.ports import ConcurrencyError, Orders
from orderflow.orders.application.reactions import (
    cancel_out_of_stock,
    cancel_unpaid,
    confirm_paid,
    fulfil_shipped,
)

__all__ = [
    "ConcurrencyError",
    "Orders",
    "PlaceOrder",
    "cancel_out_of_stock",
    "cancel_unpaid",
    "confirm_paid",
    "fulfil_shipped",
    "place_order",
]
