"""Killed at any moment, the collector counts as if nothing had happened."""

from __future__ import annotations

import random

import pytest

from e2e.shop import DECLINED_CUSTOMER, SCARCE_SKU, Shop, settled

pytestmark = [pytest.mark.servers, pytest.mark.slow(22)]

KILLS = 6


def test_counts_equal_ground_truth_after_kills_in_the_middle_of_the_run(shop: Shop) -> None:
    chance = random.Random(7)
    expected = {"started": 0, "open": 0, "completed": 0, "compensated": 0, "failed": 0, "timed_out": 0}
    for _ in range(KILLS):
        for outcome in chance.choices(
            ("completed", "compensated", "failed"), (4, 2, 1), k=chance.randint(3, 9)
        ):
            place(shop, outcome)
            expected["started"] += 1
            expected[outcome] += 1
        shop.collector.kill()  # SIGKILL, with events of these orders unread, half read and read
        shop.collector.start()
    assert settled(shop, expected), (expected, shop.outcomes(), shop.collector.last_output())
    assert shop.metric("flowtrail_saga_duplicate_events_total") == 0


def place(shop: Shop, outcome: str) -> None:
    """An order that ends like this."""
    if outcome == "compensated":
        shop.place(customer=DECLINED_CUSTOMER)
    elif outcome == "failed":
        shop.place(sku=SCARCE_SKU, quantity=50)
    else:
        shop.place()
