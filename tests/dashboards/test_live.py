"""Every query of every panel, on a real Prometheus that scrapes a collector and the demo's services.

Variables are filled in as Grafana does, once with "All" and once with every value chosen by hand.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from dashkit.files import DASHBOARDS, RULE_FILES, panels, variables
from dashkit.grafana import ALL, as_regex, fill_in, intervals, label_values_query
from e2e.shop import DECLINED_CUSTOMER, SCARCE_SKU, SERVICES, Shop
from rabbitkit import Corner, Place
from servers import ManagedProcess, PrometheusServer, RabbitServer, answers, free_port
from servers._process import wait_for
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]

RANGE_SECONDS = 20.0
SCRAPE_SECONDS = 1
_LATE_SCRAPE_SECONDS = 5
# Alerts by name, and when groups that are behind will have caught up: here nothing is wrong.
_NORMALLY_NOTHING = (
    "ALERTS_FOR_STATE",
    "max by (group) (max by (group, topic) (flowtrail_group_catch_up_seconds",
)

Values = dict[str, str]


@pytest.fixture
def corner(rabbitmq_server: RabbitServer) -> Corner:
    """A corner of a server of our own, which counts every second."""
    return Corner(Place(rabbitmq_server.url, f"http://127.0.0.1:{rabbitmq_server.management_port}"))


@pytest.mark.slow(150)
def test_no_panel_is_empty(kafka: str, tmp_path: Path) -> None:
    with shop_in_business(kafka, tmp_path) as (shop, prometheus):
        send_poison(shop)
        assert wait_for(lambda: shop.metric("flowtrail_dlq_pending") == 1, 30)
        assert wait_for(lambda: _ended(shop) >= 10, 60)
        # A panel that shows the last twenty seconds needs them.
        assert wait_for(lambda: prometheus.query(f"count_over_time(up[1h]) >= {RANGE_SECONDS}") != [], 60)
        wrong: list[str] = []
        for name, board in DASHBOARDS.items():
            for values in (filled(prometheus, board, by_hand=False), filled(prometheus, board, by_hand=True)):
                for panel in panels(board):
                    targets = [target for target in panel["targets"] if not _is_of_rabbitmq(target)]
                    wrong += _check_panel(prometheus, f"{name}: {panel['title']}", targets, values)
    assert wrong == []


@pytest.mark.slow(30)
def test_no_panel_of_queues_is_empty(corner: Corner, tmp_path: Path) -> None:
    """Those that show what only RabbitMQ has; a queue that somebody reads, and one that nobody reads."""
    exchange = corner.exchange("orders")
    corner.queue("orders.billing", exchange)
    read = corner.queue("orders.shipping", exchange)
    with watched_queues(corner, tmp_path) as prometheus, corner.channel() as channel:
        channel.basic_consume(read, lambda *_: None)

        def lively() -> bool:
            corner.publish(exchange, first=time.monotonic_ns())
            return prometheus.query("flowtrail_queue_unacknowledged_messages > 0") != []

        assert wait_for(lively, 60)
        assert wait_for(lambda: prometheus.query(f"count_over_time(up[1h]) >= {RANGE_SECONDS}") != [], 60)
        board = DASHBOARDS["flowtrail-lag"]
        wrong: list[str] = []
        looked_at = 0
        for values in (filled(prometheus, board, by_hand=False), filled(prometheus, board, by_hand=True)):
            for panel in panels(board):
                for target in filter(_is_of_rabbitmq, panel["targets"]):
                    looked_at += 1
                    wrong += _check(prometheus, panel["title"], target, values)
    assert wrong == []
    assert looked_at >= 20


def _is_of_rabbitmq(target: dict[str, Any]) -> bool:
    # What services say of themselves tells brokers apart and is there for both.
    return "rabbitmq" in target["expr"] and "messaging_" not in target["expr"]


@contextmanager
def watched_queues(corner: Corner, folder: Path) -> Iterator[PrometheusServer]:
    """A collector that follows a corner of RabbitMQ and no Kafka, and Prometheus."""
    port = free_port()
    collector = ManagedProcess(
        "collector",
        [
            sys.executable, "-m", "flowtrail_collector", "collector", "run", "--store", str(folder / "store.sqlite"),
            "--listen", f"127.0.0.1:{port}", "--rabbitmq-management", corner.place.management,
            "--rabbitmq-exchanges", corner.exchanges, "--rabbitmq-queue", corner.stream,
            "--lag-groups", corner.name, "--lag-interval", "1s",
        ],
        ready=lambda: answers(f"http://127.0.0.1:{port}/readyz"),
        output=folder / "collector.log",
        env={"FLOWTRAIL_RABBITMQ": corner.place.url},
    )  # fmt: skip
    jobs = {"flowtrail": f"127.0.0.1:{port}"}
    prometheus = PrometheusServer(folder / "prometheus", jobs, interval_seconds=SCRAPE_SECONDS)
    try:
        collector.start()
        prometheus.start()
        yield prometheus
    finally:
        prometheus.kill()
        collector.kill()


def _check_panel(
    prometheus: PrometheusServer, where: str, targets: list[dict[str, Any]], values: Values
) -> list[str]:
    """What is wrong with a panel: a query that finds nothing, unless it is there to say that another does."""
    drawn = [target for target in targets if not target.get("exemplar")]
    for target in targets:
        if target.get("exemplar"):
            assert prometheus.query(fill_in(target["expr"], values)) == [], where
    wrong = {target["refId"]: _check(prometheus, where, target, values) for target in drawn}
    if any(target["legendFormat"] == "none" for target in drawn):
        return (
            []
            if any(found == [] for found in wrong.values())
            else [text for texts in wrong.values() for text in texts]
        )
    return [
        text
        for target in drawn
        for text in wrong[target["refId"]]
        if not (": empty: " in text and any(word in target["expr"] for word in _NORMALLY_NOTHING))
    ]


def _check(prometheus: PrometheusServer, where: str, target: dict[str, Any], values: Values) -> list[str]:
    query = fill_in(target["expr"], values)
    if target.get("instant"):
        # A scrape that came late leaves nothing to show for a moment.
        wait_for(lambda: prometheus.query(query) != [], _LATE_SCRAPE_SECONDS)
        found = [[float(one["value"][1])] for one in prometheus.query(query)]
    else:
        now = time.time()
        series = prometheus.query_range(query, now - RANGE_SECONDS, now, SCRAPE_SECONDS)
        found = [[float(value) for _, value in one["values"]] for one in series]
    if not found:
        return [f"{where}: empty: {query}"]
    # A quantile of the moments in which nothing happened is not a number; Grafana leaves a gap.
    shown = [value for values in found for value in values if not math.isnan(value)]
    if not shown:
        return [f"{where}: nothing but gaps: {query}"]
    return [] if all(math.isfinite(value) for value in shown) else [f"{where}: infinite: {query}"]


def filled(prometheus: PrometheusServer, board: dict[str, Any], *, by_hand: bool) -> Values:
    """The value of each variable, in the order in which they build on each other."""
    values: Values = intervals(RANGE_SECONDS, SCRAPE_SECONDS)
    for name, variable in variables(board).items():
        if variable["type"] != "query":
            values[name] = str(variable.get("query", ""))
            continue
        selector, label = label_values_query(variable["query"]["query"])
        offered = prometheus.label_values(label, fill_in(selector, values))
        assert offered, f"variable {name} of {board['title']} has nothing to choose"
        values[name] = as_regex(offered if by_hand else [ALL], variable["allValue"])
    return values


@contextmanager
def shop_in_business(kafka: str, folder: Path) -> Iterator[tuple[Shop, PrometheusServer]]:
    """The demo's services, a collector and Prometheus, with orders coming in until the block ends."""
    shop = Shop(kafka, folder, collector_options=["--lag-interval", "1s"])
    jobs = {"flowtrail": shop.collector_url.removeprefix("http://")}
    jobs |= {name: f"127.0.0.1:{shop.metrics_ports[name]}" for name in SERVICES}
    prometheus = PrometheusServer(folder / "prometheus", jobs, RULE_FILES, interval_seconds=SCRAPE_SECONDS)
    closing = threading.Event()
    customers = threading.Thread(target=_order, args=(shop, closing), daemon=True)
    try:
        shop.start()
        prometheus.start()
        assert wait_for(lambda: all(prometheus.targets_up().values()) and prometheus.targets_up(), 30)
        customers.start()
        yield shop, prometheus
    finally:
        closing.set()
        if customers.ident is not None:
            customers.join(scaled(10))
        prometheus.kill()
        shop.stop()


def _order(shop: Shop, closing: threading.Event) -> None:
    while not closing.wait(0.1):
        shop.place()
        shop.place(DECLINED_CUSTOMER)
        shop.place(sku=SCARCE_SKU, quantity=1000)


def _ended(shop: Shop) -> int:
    found = shop.outcomes()
    return sum(found[outcome] for outcome in ("completed", "compensated", "failed"))


def send_poison(shop: Shop, number: int = 1) -> None:
    """An event whose payload nobody can read."""
    producer = Producer({"bootstrap.servers": shop.bootstrap_servers})
    producer.produce(
        shop.topic("payments"),
        key=b"poison",
        value=b"\xff\xfe{not json",
        headers=[
            ("ce_specversion", b"1.0"), ("ce_id", f"poison-{number}".encode()), ("ce_type", b"PaymentCompleted"),
            ("ce_source", b"/billing"), ("ce_subject", b"poison"),
        ],
    )  # fmt: skip
    assert producer.flush(scaled(20)) == 0
