"""Which topics hold dead letters is one setting: for the tail, and for what only spans tell of."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.brokers.kafka.tail.topics import TopicFilter
from flowtrail_collector.brokers.kafka.wire import wire
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.spans.sql.store import SqlSpans
from trailkit import orders

TOPICS = (
    "orders.billing.dlq",
    "orders-dlt",
    "DLQ",
    "orders.dead-letters",
    "orders.dlq.old",
    "graveyard.orders",
    "orders",
)
PATTERNS = {
    "default": (KafkaConfig("127.0.0.1:9"), set(TOPICS[:4])),
    "custom": (KafkaConfig("127.0.0.1:9", dead_letter_topics=r"graveyard\..*"), {"graveyard.orders"}),
    "either": (KafkaConfig("127.0.0.1:9", dead_letter_topics="DLQ|orders"), {"DLQ", "orders"}),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_the_setting_counts_everywhere(name, tmp_path):
    kafka, dead = PATTERNS[name]
    tail = TopicFilter(kafka.topics, kafka.dead_letter_topics)
    broker = wire(kafka)
    assert {topic for topic in TOPICS if tail.kind(topic)[0]} == dead
    assert {topic for topic in TOPICS if broker.holds_dead_letters(topic)} == dead
    collector = build_collector(CollectorConfig(kafka, store=tmp_path / "store.sqlite"))
    story = orders.Story()
    for n, topic in enumerate(TOPICS):
        sent = story.send("orders", "elsewhere", "OrderPlaced", n * 10, event_id=f"e{n}")
        story.send("billing", topic, "OrderPlaced", n * 10 + 5, sent, event_id=f"e{n}")
    SqlSpans(collector.database).add(story.spans)
    client = TestClient(collector.app, base_url="http://127.0.0.1")
    entries = client.get(f"/api/v1/trails/{story.correlation_id}").json()["trail"]["entries"]
    collector.close()
    assert {item["topic"] for item in entries if item["kind"] == "dead_letter"} == dead
