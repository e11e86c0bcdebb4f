"""Plain kafka-python producers, which write no header at all, take part in a saga."""

from __future__ import annotations

import contextlib
import json
import urllib.request

import pytest
from kafka import KafkaProducer

from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from trailkit.web import collecting
from waiting import scaled, until

FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      charge: {{done: PaymentCompleted, by: billing, within: 60s}}
      ship: {{done: OrderShipped, by: warehouse, within: 1d}}
    completes: OrderShipped
mapping:
  "{0}.orders":
    type: {{field: $.kind, names: {{created: OrderPlaced}}}}
    id: {{field: $.id}}
    correlation: {{field: $.id}}
    subject: {{field: $.id}}
    source: /shop
  "{0}.pay*":
    type: PaymentCompleted
    correlation: {{from: key}}
    source: {{from: topic}}
  "{0}.shipments":
    type: OrderShipped
    correlation: {{field: "$.parcels[0].order"}}
    source: /warehouse
"""


def read(url):
    with urllib.request.urlopen(url, timeout=scaled(10)) as response:
        return response.read().decode()


@pytest.mark.slow
def test_a_saga_of_services_that_know_nothing_of_flowtrail(broker, topic, tmp_path):
    stem = topic("plain")
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS.format(stem))
    config = CollectorConfig(
        KafkaConfig(broker, topics=stem.replace("-", r"\-") + r"\..*"),
        flows=flows,
        store=tmp_path / "store.sqlite",
    )
    producer = KafkaProducer(bootstrap_servers=broker)

    def send(name, value, key=None):
        producer.send(f"{stem}.{name}", value if value is None else json.dumps(value).encode(), key).get(30)

    with contextlib.closing(producer):
        send("orders", {"kind": "created", "id": "ord-1"})
        send("orders", {"kind": "created", "id": "ord-2"})
        producer.send(f"{stem}.orders", b"\x80 no JSON").get(30)
        send("payments", None, b"ord-1")
        send("shipments", {"parcels": [{"order": "ord-1"}]})
    # Topics that are there already are found at once.
    with collecting(config) as url:

        def ended():
            found = json.loads(read(f"{url}/api/v1/sagas"))["sagas"]
            outcomes = {saga["correlation_id"]: saga["outcome"] for saga in found}
            return found if outcomes == {"ord-1": "completed", "ord-2": "open"} else None

        sagas = until(ended, "one to end and the other to wait")
        waiting = next(saga for saga in sagas if saga["correlation_id"] == "ord-2")
        assert [step["name"] for step in waiting["steps"] if step["state"] == "open"] == ["charge"]
        trail = read(f"{url}/api/v1/trails/ord-1")
        assert all(f'"{kind}"' in trail for kind in ("OrderPlaced", "PaymentCompleted", "OrderShipped"))
        series = f'flowtrail_mapping_problems_total{{mapping="{stem}.orders",reason="not_json"}} 1.0'
        until(lambda: series in read(f"{url}/metrics"), series)
