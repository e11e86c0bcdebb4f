"""`StockItem` and `Reservation`, and how the one makes the other."""

from orderflow.inventory.domain.events import StockReleased, StockReservationFailed, StockReserved
from orderflow.inventory.domain.reservation import Reservation, ReservationState
from orderflow.inventory.domain.stock import StockItem

__all__ = [
    "Reservation",
    "ReservationState",
    "StockItem",
    "StockReleased",
    "StockReservationFailed",
    "StockReserved",
]
