"""The official client asks `flowtrail mcp`, and that a collector on a real broker's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

import flowtrail
import waiting
from devbroker import DevBroker
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.mcp.sentences import Sentence
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings, WebConfig
from trailkit.web import collecting

FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, by: inventory, within: 1s}
      charge:  {done: PaymentCompleted, by: billing, within: 1s}
    completes: PaymentCompleted
"""
READ, WRITE = "r" * 20, "w" * 24
pytestmark = pytest.mark.slow(20)


def command(url: str, **tokens: str) -> StdioServerParameters:
    environment = {**os.environ, "FLOWTRAIL_COLLECTOR_URL": url, "USER": "ops", "LOGNAME": "ops", **tokens}
    return StdioServerParameters(
        command=sys.executable, args=["-m", "flowtrail_collector", "mcp"], env=environment
    )


def asked(url: str, *calls: tuple[str, dict[str, Any]], **tokens: str) -> list[Any]:
    """The answers of one session to these calls."""

    async def ask():
        async with Client(command(url, **tokens)) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(ask())


@contextlib.contextmanager
def shop(brokers):
    """Inventory works; billing gives up whatever order says so, and there is no event after that."""
    with contextlib.ExitStack() as stack:

        def service(name):
            return flowtrail.Trail(service=name, bootstrap_servers=brokers)

        orders, inventory, billing = service("orders"), service("inventory"), service("billing")
        stack.callback(orders.close)

        @inventory.consumer("orders", types=["OrderPlaced"], group="inventory")
        def reserve(event):
            inventory.publish("inventory", {}, type="StockReserved", subject=event.subject)

        @billing.consumer(
            "inventory",
            types=["StockReserved"],
            group="billing",
            retry=flowtrail.Retry(attempts=1),
            dead_letter=True,
        )
        def charge(event):
            if event.subject == "ORD-17":
                raise ValueError(f"no card on file for {event.subject}")
            billing.publish("payments", {}, type="PaymentCompleted", subject=event.subject)

        for trail in (inventory, billing):
            stack.enter_context(trail.running())
        yield orders


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """URL of a collector of which one order, ORD-17, is stuck behind a dead letter, and ORD-18 is done."""
    folder = tmp_path_factory.mktemp("mcp")
    flows = folder / "flows.yaml"
    flows.write_text(FLOWS)
    with DevBroker() as broker:
        config = CollectorConfig(
            KafkaConfig(broker.bootstrap_servers), flows=flows, store=folder / "store.sqlite",
            sweep_interval_seconds=0.2, lag=LagSettings(interval_seconds=0.5),
            web=WebConfig(token=READ, write_token=WRITE),
        )  # fmt: skip
        with collecting(config) as url, shop(broker.bootstrap_servers) as orders:
            for order in ("ORD-17", "ORD-18"):
                orders.publish("orders", {}, type="OrderPlaced", subject=order)
            waiting.until(lambda: is_stuck(url, orders), timeout_seconds=60)
            yield url


def is_stuck(url, orders):
    # The watermark has to pass the deadline: later records say that nothing else will come.
    orders.publish("orders", {}, type="OrderPlaced", subject="ORD-20")
    with contextlib.closing(CollectorClient(url, READ)) as client:
        stuck = {saga["key"] for saga in client.get("/api/v1/sagas", {"stuck": "true"})["sagas"]}
        letters = client.get("/api/v1/dead-letters")["dead_letters"]
        groups = {each["group"]: each["lag"] for each in client.get("/api/v1/lag")["groups"]}
        causes = client.get("/api/v1/sagas/causes")["causes"]
    return "ORD-17" in stuck and letters and causes and groups.get("billing") == 0


def test_the_other_questions(collector):
    stuck, reasons, lately, lag, causes, letters, flows, trail = asked(
        collector, ("list_stuck", {}), ("stuck_causes", {"flow": "fulfilment"}), ("on_call", {"limit": 5}),
        ("group_lag", {}), ("dead_letter_causes", {}), ("dead_letters", {"group": "billing"}), ("flows", {}),
        ("find_trail", {"id": "ORD-18"}), FLOWTRAIL_TOKEN=READ,
    )  # fmt: skip
    assert [saga["key"] for saga in stuck.structured_content["stuck"]] == ["ORD-17"]
    (cause,) = reasons.structured_content["causes"]
    assert (cause["step"], cause["reason"], cause["count"], cause["example"]["key"]) == (
        "charge",
        "dead_letter",
        1,
        "ORD-17",
    )
    assert cause["error"] == {"type": "ValueError", "message": "no card on file for *"}
    # On a slow machine the broker may not have answered in time, which is a change of its own.
    (change,) = [
        each for each in lately.structured_content["changes"] if each["kind"] in ("dead_letters", "stuck")
    ]
    assert change["about"] == {
        "group": "billing",
        "event_type": "StockReserved",
        "error_type": "ValueError",
        "error_message": "no card on file for *",
        "trend": "new",
    }
    assert change["means"].startswith("Messages are dead-lettered for a new cause")
    assert {"billing", "inventory"} <= {group["group"] for group in lag.structured_content["groups"]}
    (cause,) = causes.structured_content["causes"]
    assert (cause["message"], cause["count"], cause["trend"]) == ("no card on file for *", 1, "rising")
    assert [letter["subject"] for letter in letters.structured_content["dead_letters"]] == ["ORD-17"]
    (flow,) = flows.structured_content["flows"]
    assert (flow["name"], flow["steps"]) == ("fulfilment", ["reserve", "charge"])
    assert [entry["name"] for entry in trail.structured_content["trail"]["entries"]][-1] == "PaymentCompleted"


def test_why_an_order_hangs_takes_one_call_and_a_write_takes_the_token(collector):
    plan = {"id": "ORD-17"}
    order = {**plan, "expected_total": 1, "asked_by": "Ann Miller"}
    (why, near, planned, refused) = asked(
        collector, ("why_stuck", plan), ("find_trail", {"id": "ORD-1"}), ("plan_redrive", plan), ("redrive", order),
        FLOWTRAIL_TOKEN=READ,
    )  # fmt: skip
    found = why.structured_content
    assert found["verdict"] == "stuck"
    assert found["because"] == [Sentence.DEAD_LETTER]
    (late,) = found["instances"][0]["stuck_at"]
    assert (late["step"], late["by"], late["reason"]) == ("charge", "billing", "dead_letter")
    assert [
        (letter["group"], letter["error_type"], letter["error_message"]) for letter in found["dead_letters"]
    ] == [("billing", "ValueError", "no card on file for ORD-17")]
    assert [(group["group"], group["lag"]) for group in found["groups"]] == [("billing", 0)]
    assert [step["step"] for step in found["waiting"]] == ["charge"]
    assert [name["id"] for name in near.structured_content["begin_so"]] == ["ORD-17", "ORD-18"]
    assert planned.structured_content["total"] == 1
    assert planned.structured_content["by_target"] == [{"name": "inventory", "count": 1}]
    assert refused.is_error
    assert "a redrive needs the collector's write token" in refused.content[0].text

    with contextlib.closing(CollectorClient(collector, READ)) as client:
        assert client.get("/api/v1/redrives")["redrives"] == []
        (wrong,) = asked(collector, ("redrive", order), FLOWTRAIL_TOKEN=READ, FLOWTRAIL_WRITE_TOKEN="x" * 24)
        assert wrong.is_error
        assert "token isn't this collector's" in wrong.content[0].text
        assert client.get("/api/v1/redrives")["redrives"] == []

        more = {**order, "group": "billing", "id": "ORD-17"}
        (done,) = asked(collector, ("redrive", more), FLOWTRAIL_TOKEN=READ, FLOWTRAIL_WRITE_TOKEN=WRITE)
        assert not done.is_error, done.content
        assert done.structured_content["total"] == 1
        (write,) = client.get("/api/v1/dead-letters/audit")["writes"]
        assert (write["action"], write["by"]) == ("redrive", "mcp ops mcp for Ann Miller")


def test_without_the_token_the_collector_says_what_is_missing(collector):
    (found,) = asked(collector, ("why_stuck", {"id": "ORD-17"}), FLOWTRAIL_TOKEN="")
    assert found.is_error
    assert "an access token is needed" in found.content[0].text
