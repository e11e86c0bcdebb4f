"""Alerts seen firing, on a real Prometheus beside the demo in which things are broken one after the other.

| fault | alerts |
| --- | --- |
| events nobody can read | DeadLettersArriving, DeadLettersAgeing, HandlersFailing |
| Billing is killed | GroupStopped, LagBeyondObjective, CommitsStandStill, SagasStuck |
| ... for longer than a flow may take | CompletionBurnFast, CompletionBurnSlow, CompletionDropped |
| an order is cancelled, its stock never released | CompensationIncomplete, CompensationGivenUp |
| an offset set by hand past the end | CommitBeyondEnd |
| records removed before a group read them | MessagesLost |
| the collector is killed | CollectorAbsent |

The others: `test_alerts_faults.py`.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from dashboards.test_live import send_poison
from dashkit.files import alerts
from dashkit.shortened import shortened_rules
from e2e.shop import SERVICES, Shop
from servers import PrometheusServer
from servers._process import wait_for
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]

WITHIN_SECONDS = 12
EXPECTED = {
    "DeadLettersArriving", "DeadLettersAgeing", "HandlersFailing",
    "GroupStopped", "LagBeyondObjective", "CommitsStandStill", "SagasStuck",
    "CompletionBurnFast", "CompletionBurnSlow", "CompletionDropped",
    "CompensationIncomplete", "CompensationGivenUp",
    "CommitBeyondEnd", "MessagesLost",
}  # fmt: skip


@pytest.mark.skipif(
    os.environ.get("FLOWTRAIL_FULL", "") in ("", "0"),
    reason="takes more than a minute; FLOWTRAIL_FULL=1 runs it",
)
def test_alerts_fire_when_the_demo_breaks(kafka: str, tmp_path: Path) -> None:
    shop = Shop(
        kafka, tmp_path, charge_within="3s", collector_options=["--lag-interval", "1s", "--lag-window", "10s"]
    )
    flows = tmp_path / "flows.yaml"
    flows.write_text(flows.read_text().replace("within: 2d", f"within: {WITHIN_SECONDS}s"))
    jobs = {"flowtrail": shop.collector_url.removeprefix("http://")}
    jobs |= {name: f"127.0.0.1:{shop.metrics_ports[name]}" for name in SERVICES}
    prometheus = PrometheusServer(tmp_path / "prometheus", jobs, shortened_rules(tmp_path))
    closing = threading.Event()
    customers = threading.Thread(target=_order, args=(shop, closing), daemon=True)
    poison = threading.Thread(target=_poison, args=(shop, closing), daemon=True)
    try:
        shop.start()
        prometheus.start()
        customers.start()
        assert wait_for(lambda: shop.outcomes()["completed"] >= 10, 60)
        # Completed so far: what "dropped" is compared with.
        assert wait_for(
            lambda: prometheus.query("flow:flowtrail_saga_completed:ratio_rate1h > 0.5") != [], 30
        )
        poison.start()
        _break(shop)
        wanted = {f"Flowtrail{name}" for name in EXPECTED}
        assert wanted <= set(alerts())
        wait_for(lambda: wanted <= _seen(prometheus), 75)
        seen = _seen(prometheus)
        assert "FlowtrailCollectorAbsent" not in prometheus.firing()
        shop.collector.kill()
        assert wait_for(lambda: "FlowtrailCollectorAbsent" in prometheus.firing(), 30)
        assert wanted - seen == set()
    finally:
        closing.set()
        for thread in (customers, poison):
            if thread.ident is not None:
                thread.join(scaled(10))
        prometheus.kill()
        shop.stop()


def _break(shop: Shop) -> None:
    _cancel_half_done(shop)
    _commit(shop, "skips", shop.topic("orders"), 1_000_000)
    _commit(shop, "slow", shop.topic("inventory"), 0)
    # The collector has to have seen the group before it loses something.
    assert wait_for(
        lambda: shop.metric("kafka_consumergroup_group_sum_lag", group=shop.topic("slow")) > 0, 30
    )
    admin = AdminClient({"bootstrap.servers": shop.bootstrap_servers})
    partitions = (
        admin.list_topics(shop.topic("inventory"), timeout=scaled(10))
        .topics[shop.topic("inventory")]
        .partitions
    )
    removed = admin.delete_records([TopicPartition(shop.topic("inventory"), n, -1) for n in partitions])
    for future in removed.values():
        future.result(scaled(20))
    shop.services["billing"].kill()


def _seen(prometheus: PrometheusServer) -> set[str]:
    """Alerts that fired at some time."""
    found = prometheus.query('max by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))')
    return {one["metric"]["alertname"] for one in found}


def _order(shop: Shop, closing: threading.Event) -> None:
    while not closing.wait(0.2):
        shop.place()


def _poison(shop: Shop, closing: threading.Event) -> None:
    """Again and again: a counter that appears with its first count doesn't rise."""
    number = 0
    while not closing.wait(1):
        send_poison(shop, number := number + 1)


def _commit(shop: Shop, group: str, topic: str, offset: int) -> None:
    settings = {"bootstrap.servers": shop.bootstrap_servers, "group.id": shop.topic(group)}
    consumer = Consumer(settings)
    try:
        partitions = consumer.list_topics(topic, timeout=scaled(10)).topics[topic].partitions
        consumer.commit(offsets=[TopicPartition(topic, n, offset) for n in partitions], asynchronous=False)
    finally:
        consumer.close()


def _cancel_half_done(shop: Shop) -> None:
    """The events of an order whose stock nobody releases; only the collector knows it."""
    order, flow = f"ORD-{uuid.uuid4().hex}", uuid.uuid4().hex
    producer = Producer({"bootstrap.servers": shop.bootstrap_servers})
    for topic, kind in (
        ("shipments", "OrderPlaced"),
        ("shipments", "StockReserved"),
        ("shipments", "OrderCancelled"),
    ):
        headers = {
            "ce_specversion": "1.0", "ce_id": uuid.uuid4().hex, "ce_type": kind, "ce_source": "/test",
            "ce_subject": order, "ce_correlationid": flow,
            "ce_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }  # fmt: skip
        producer.produce(
            shop.topic(topic),
            key=order,
            value=b"{}",
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    assert producer.flush(scaled(20)) == 0
