"""An order that doesn't move is found, with the reason; one that the collector couldn't see moving is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.shop import Shop
from servers._process import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.slow(20)]

MakeShop = Callable[[str], Shop]
AWAY_SECONDS = 16.0


@pytest.fixture
def shop_with(kafka: str, tmp_path: Path) -> Iterator[MakeShop]:
    """Starts a shop whose flow file has another deadline for `charge`."""
    running: list[Shop] = []

    def start(charge_within: str) -> Shop:
        shop = Shop(kafka, tmp_path, charge_within, ["--lag-interval", "1s"])
        running.append(shop)
        shop.start()
        return shop

    yield start
    for shop in running:
        shop.stop()


def test_a_stuck_order_is_found_with_who_holds_it_up_and_is_free_again(shop_with: MakeShop) -> None:
    shop = shop_with("2s")
    first = shop.place()  # so that billing's group is known
    assert wait_for(lambda: _saga(shop, first)["outcome"] == "completed", 60)
    shop.services["billing"].stop()
    order = shop.place()
    billing = shop.topic("billing")

    def explained() -> bool:
        saga = _saga(shop, order)
        where = {"step": "charge", "by": billing, "reason": "stopped"}
        return bool(saga["stuck"]) and saga["stuck_at"] == [where]

    assert wait_for(explained, 60), _saga(shop, order)
    assert _saga(shop, order)["reason"].startswith(f"charge waits for {billing}, which has no members")
    stuck = {"flow": "order-fulfilment", "step": "charge"}
    assert shop.metric("flowtrail_saga_stuck", reason="stopped", **stuck) == 1
    assert shop.metric("flowtrail_saga_stuck", **stuck) == 1
    assert shop.metric("flowtrail_saga_stuck_instances") == 1
    trail = shop.api(f"/api/v1/trails/{order}")["trail"]
    assert any(step["step"] == "charge" and step["overdue"] for step in trail["missing"])

    shop.services["billing"].start()
    assert wait_for(lambda: _saga(shop, order)["outcome"] == "completed", 60)
    assert wait_for(lambda: shop.metric("flowtrail_saga_stuck") == 0, 30)
    assert shop.metric("flowtrail_saga_deadline_breaches_total", step="charge") == 1
    assert shop.metric("flowtrail_saga_ended_total", outcome="timed_out") == 0


@pytest.mark.skipif(
    os.environ.get("FLOWTRAIL_FULL", "") in ("", "0"),
    reason="takes real time; FLOWTRAIL_FULL=1 runs it (tests/collector/sagas has it on simulated time)",
)
def test_a_collector_away_for_longer_than_a_deadline_declares_nothing_late(shop_with: MakeShop) -> None:
    shop = shop_with("15s")
    shop.services["billing"].stop()
    waiting = shop.place()
    assert wait_for(lambda: _step(shop, waiting, "charge") == "open", 60)
    shop.collector.kill()
    gone_at = time.monotonic()
    shop.services["billing"].start()
    orders = [waiting, *(shop.place() for _ in range(5))]
    # Only real time can pass a deadline of real records.
    assert wait_for(lambda: time.monotonic() - gone_at > AWAY_SECONDS, 60)
    shop.collector.start()
    assert wait_for(lambda: shop.outcomes()["completed"] == len(orders), 60), shop.outcomes()
    assert shop.metric("flowtrail_saga_deadline_breaches_total") == 0
    assert shop.outcomes()["timed_out"] == 0
    assert shop.outcomes()["open"] == 0


def _saga(shop: Shop, order: str) -> dict[str, Any]:
    sagas = shop.api("/api/v1/sagas?limit=1000")["sagas"]
    return next(
        (saga for saga in sagas if saga["key"] == order), {"outcome": None, "stuck": False, "steps": []}
    )


def _step(shop: Shop, order: str, name: str) -> str | None:
    return next((step["state"] for step in _saga(shop, order)["steps"] if step["name"] == name), None)
