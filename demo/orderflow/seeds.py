"""The shop's goods and customers, chosen so that every scenario can be ordered on purpose."""

from __future__ import annotations

PRICES_CENTS = {
    "TEA-EARL-GREY": 690,
    "TEA-SENCHA": 890,
    "MUG-BLUE": 1250,
    "KETTLE-STEEL": 4900,
    "BOOK-KAFKA": 3999,
    "LAMP-LIMITED": 12900,
}
"""Price list of Order Management."""

SCARCE_SKU = "LAMP-LIMITED"
STOCK = {sku: 1 if sku == SCARCE_SKU else 1_000_000 for sku in PRICES_CENTS}
"""What Inventory has on the shelf at first: one lamp, and plenty of everything else."""

CUSTOMERS = tuple(f"CUS-{number:04d}" for number in range(1, 21))
DECLINED_CUSTOMERS = ("CUS-0013", "CUS-0017")
"""Customers of whose cards Billing knows that the bank has blocked them."""
