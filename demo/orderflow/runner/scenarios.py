"""What is ordered, and what must come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orderflow.seeds import CUSTOMERS, DECLINED_CUSTOMERS, PRICES_CENTS, SCARCE_SKU, STOCK

_PLENTY = tuple(sku for sku in PRICES_CENTS if sku != SCARCE_SKU)
_PAYING = tuple(customer for customer in CUSTOMERS if customer not in DECLINED_CUSTOMERS)
_CYCLE = 6


class Scenario(StrEnum):
    """Kinds of orders."""

    NORMAL = "normal"
    DECLINED = "card declined"
    SCARCE = "scarce product"


@dataclass(frozen=True, slots=True)
class Plan:
    """One order to place.

    Attributes:
        scenario: Which kind.
        body: What to post.
    """

    scenario: Scenario
    body: dict[str, Any]


def plan(orders: int) -> Iterator[Plan]:
    """The orders of a run: of every six, one with a declined card and one for the scarce product.

    Every fourth normal order comes from an old client: OrderPlaced in version 1.
    """
    for number in range(orders):
        sku, other = _PLENTY[number % len(_PLENTY)], _PLENTY[(number + 2) % len(_PLENTY)]
        lines = [{"sku": sku, "quantity": 1 + number % 3}, {"sku": other, "quantity": 1}]
        customer = _PAYING[number % len(_PAYING)]
        place = number % _CYCLE
        if place == 3:
            declined = DECLINED_CUSTOMERS[number // _CYCLE % len(DECLINED_CUSTOMERS)]
            yield Plan(Scenario.DECLINED, {"customer_id": declined, "lines": lines})
        elif place == _CYCLE - 1:
            scarce = [{"sku": SCARCE_SKU, "quantity": 1}]
            yield Plan(Scenario.SCARCE, {"customer_id": customer, "lines": scarce})
        elif place == 1:
            yield Plan(Scenario.NORMAL, {"customer_id": customer, "sku": sku, "quantity": 1 + number % 3})
        else:
            yield Plan(Scenario.NORMAL, {"customer_id": customer, "lines": lines})


def expected(plans: list[Plan]) -> dict[str, int]:
    """How many orders must end how: the first takers get the scarce product, the others nothing."""
    count = Counter(item.scenario for item in plans)
    lucky = min(count[Scenario.SCARCE], STOCK[SCARCE_SKU])
    return {
        "completed": count[Scenario.NORMAL] + lucky,
        "compensated": count[Scenario.DECLINED],
        "failed": count[Scenario.SCARCE] - lucky,
        "timed_out": 0,
    }
