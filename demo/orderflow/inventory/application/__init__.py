"""Reactions of Inventory."""

from orderflow.inventory.application.ports import Warehouse
from orderflow.inventory.application.reactions import release_stock, reserve_stock

__all__ = ["Warehouse", "release_stock", "reserve_stock"]
