"""Billing's database breaks: an order dies on the way, is seen, and gets through once that is mended."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from e2e.shop import Shop, settled
from flowtrail_collector.cli import main
from servers._process import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.slow(25)]

TWO_COMPLETED = {"started": 2, "open": 0, "completed": 2, "compensated": 0, "failed": 0, "timed_out": 0}


@pytest.fixture
def shop(kafka, tmp_path):
    """Five services and a collector on a real Kafka."""
    running = Shop(kafka, tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def change_billing(folder, statement):
    """Do something to billing's database, behind its back."""
    with contextlib.closing(sqlite3.connect(folder / "billing.sqlite", timeout=10)) as connection:
        connection.execute(statement)
        connection.commit()


def dead_letters(shop: Shop, order_id: str, state: str):
    return shop.api(f"/api/v1/dead-letters?id={order_id}&state={state}")["dead_letters"]


def flowtrail(capsys, *arguments):
    code = main(list(arguments))
    return code, json.loads(capsys.readouterr().out)


def test_an_order_that_died_completes_after_its_redrive(shop, tmp_path, capsys):
    shop.place()
    assert wait_for(lambda: shop.outcomes()["completed"] == 1, 60), shop.outcomes()
    change_billing(tmp_path, "ALTER TABLE cards RENAME TO cards_elsewhere")
    order_id = shop.place()
    assert wait_for(lambda: len(dead_letters(shop, order_id, "pending")) == 1, 60)
    (letter,) = dead_letters(shop, order_id, "pending")
    assert "OperationalError" in letter["error_type"]
    assert "no such table" in letter["error_message"]
    assert letter["source_topic"] == shop.topic("inventory")
    assert shop.outcomes()["open"] == 1

    # not mended yet: it goes round once, and is there again
    arguments = ("dlq", "redrive", "--id", order_id, "--yes", "--json", "--url", shop.collector_url)
    code, job = flowtrail(capsys, *arguments)
    assert (code, job["redriven"]) == (0, 1)
    assert wait_for(lambda: len(dead_letters(shop, order_id, "pending")) == 1, 60)
    (again,) = dead_letters(shop, order_id, "pending")
    assert again["offset"] != letter["offset"] or again["partition"] != letter["partition"]
    place = f"{again['topic']}/{again['partition']}@{again['offset']}"
    _, shown = flowtrail(capsys, "dlq", "show", place, "--json", "--url", shop.collector_url)
    assert shown["dead_letter"]["replays"] == 1

    change_billing(tmp_path, "ALTER TABLE cards_elsewhere RENAME TO cards")
    code, job = flowtrail(capsys, *arguments)
    assert (code, job["redriven"]) == (0, 1)
    assert settled(shop, TWO_COMPLETED), shop.outcomes()
    assert dead_letters(shop, order_id, "pending") == []
    assert len(dead_letters(shop, order_id, "redriven")) == 2
    assert shop.metric("flowtrail_dlq_redriven_total") == 2
    assert shop.metric("flowtrail_dlq_pending") == 0
    # the flow is one and the same from beginning to end, dead letters and all
    trail = shop.api(f"/api/v1/trails/{order_id}")["trail"]
    assert "OrderShipped" in json.dumps(trail)
