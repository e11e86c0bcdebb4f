"""One shop on a real Kafka: what is stuck, by cause; what changed; and that acting on it mends it."""

from __future__ import annotations

import contextlib
import threading

import pytest

import flowtrail
import waiting
from flowtrail_collector.app import build_collector
from flowtrail_collector.cli import main
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings
from trailkit.web import served

FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, by: inventory, within: 2s}
      charge:  {done: PaymentCompleted, by: billing, within: 2s}
      ship:    {done: OrderShipped, by: fulfillment, within: 2s}
    completes: OrderShipped
"""
pytestmark = [pytest.mark.servers, pytest.mark.slow(40)]


class Shop:
    """Three services; billing gives every order of an even number up until its cards are mended."""

    def __init__(self, servers, stack):
        self.mended = threading.Event()
        self._servers, self._stack = servers, stack
        self.orders = self._service("orders")
        stack.callback(self.orders.close)
        inventory, billing = self._service("inventory"), self._service("billing")

        @inventory.consumer("orders", types=["OrderPlaced"], group="inventory")
        def reserve(event):
            inventory.publish("inventory", {}, type="StockReserved", subject=event.subject)

        @billing.consumer("inventory", types=["StockReserved"], group="billing",
                          retry=flowtrail.Retry(attempts=1), dead_letter=True)  # fmt: skip
        def charge(event):
            if int(event.subject.removeprefix("ORD-")) % 2 == 0 and not self.mended.is_set():
                raise ValueError(f"no card on file for {event.subject}")
            billing.publish("payments", {}, type="PaymentCompleted", subject=event.subject)

        for trail in (inventory, billing):
            stack.enter_context(trail.running())
        self.shipping = stack.enter_context(contextlib.ExitStack())
        self.ship()

    def place(self, *numbers):
        for number in numbers:
            self.orders.publish("orders", {}, type="OrderPlaced", subject=f"ORD-{number}")

    def ship(self):
        """Start the third service; `shipping.close()` stops it."""
        fulfillment = self._service("fulfillment")

        @fulfillment.consumer("payments", types=["PaymentCompleted"], group="fulfillment")
        def ship(event):
            fulfillment.publish("shipments", {}, type="OrderShipped", subject=event.subject)

        self.shipping.enter_context(fulfillment.running())

    def _service(self, name):
        return flowtrail.Trail(service=name, bootstrap_servers=self._servers)


@contextlib.contextmanager
def watching(config):
    """A whole collector in threads of this process; gives its URL, and what watches in it."""
    collector = build_collector(config)
    (watch,) = [part._watch for part in collector.supervisor._parts if isinstance(part, OnCall)]
    collector.supervisor.start()
    try:
        with served(collector.app) as url:
            yield url, watch
    finally:
        collector.close()


def test_a_night_on_call(kafka_server, tmp_path, capsys):
    servers = kafka_server().bootstrap_servers
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS)
    config = CollectorConfig(
        KafkaConfig(servers), flows=flows, store=tmp_path / "store.sqlite", sweep_interval_seconds=0.2,
        lag=LagSettings(interval_seconds=1, timeout_seconds=5, window_seconds=20),
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        shop = Shop(servers, stack)
        url, watch = stack.enter_context(watching(config))
        client = stack.enter_context(contextlib.closing(CollectorClient(url)))

        def causes():
            # What was written last says that nothing older comes any more.
            shop.orders.publish("orders", {}, type="Tick")
            return client.get("/api/v1/sagas/causes")["causes"]

        def changes():
            found = client.get("/api/v1/oncall")["changes"]
            # A slow machine's broker may not tell something in time, at any time.
            blind = ("broker", "unreadable", "collector")
            return {each["kind"]: each for each in found if each["kind"] not in blind and not each["ended"]}

        def settled(*wanted):
            found = [(row["step"], row["reason"], row["count"]) for row in causes()]
            return sorted(found) == sorted(wanted)

        shop.place(1, 2, 3, 4, 6)
        waiting.until(lambda: settled(("charge", "dead_letter", 3)), causes, 60)
        (row,) = causes()
        assert (
            row["text"]
            == "charge waits for billing, which dead-lettered StockReserved (ValueError: no card on file for *)"
        )
        assert (row["state"], row["by"], row["trend"], row["last_hour"]) == ("late", "billing", "rising", 3)
        listed = client.get("/api/v1/sagas", {"cause": row["cause"]})["sagas"]
        assert sorted(saga["key"] for saga in listed) == ["ORD-2", "ORD-4", "ORD-6"]
        # What is stuck because of them is told with the dead letters.
        waiting.until(lambda: set(changes()) == {"dead_letters"}, changes, 60)
        died = changes()["dead_letters"]
        assert (died["touched"], died["of"], died["page"]) == (
            3,
            "orders",
            f"/dead-letters?cause={row['dead_letter_cause']}",
        )
        assert died["text"].startswith(
            "for the first time group billing dead-lettered 3 messages of type StockReserved (ValueError"
        )

        # It can only say since when a group is ill that it has seen well.
        waiting.until(lambda: watch._ill.state("fulfillment") is False, watch._ill.all, 60)
        shop.shipping.close()
        shop.place(11, 13)
        both = (("charge", "dead_letter", 3), ("ship", "stopped", 2))
        waiting.until(lambda: settled(*both), causes, 60)
        waiting.until(lambda: "group" in changes(), changes, 60)
        found = changes()
        assert list(found) == ["dead_letters", "group"]  # three orders, then two
        stopped = found["group"]
        assert (stopped["name"], stopped["touched"], stopped["of"]) == (["fulfillment"], 2, "orders")
        assert stopped["text"] == "group fulfillment has no members, 2 messages unread"
        assert stopped["since"] is not None
        assert main(["oncall", "--url", url]) == 1
        said = capsys.readouterr().out
        assert ". group fulfillment has no members, 2 messages unread" in said
        assert "flowtrail lag --group fulfillment" in said
        assert main(["stuck", "--url", url]) == 1
        assert (
            f"flowtrail dlq redrive --flow fulfilment --cause {row['dead_letter_cause']}"
            in capsys.readouterr().out
        )

        shop.mended.set()
        shop.ship()
        body = {"flow": row["flow"], "cause": row["dead_letter_cause"], "by": "ann"}
        assert client.post("/api/v1/dead-letters/redrive", body)["total"] == 3
        waiting.until(lambda: causes() == [], causes, 60)
        waiting.until(lambda: set(changes()) == {"dead_letters"}, changes, 60)
        over = {
            tuple(each["name"]): each for each in client.get("/api/v1/oncall")["changes"] if each["ended"]
        }
        assert stopped["since"] >= over["fulfillment",]["since"]
        assert main(["stuck", "--url", url]) == 0
        assert "nothing is stuck" in capsys.readouterr().out
