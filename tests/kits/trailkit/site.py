"""A whole collector with orders of every kind in it, to look at with a browser.

The broker is the embedded one, all else is what `flowtrail collector run` starts; only the spans are put into
the store directly.
"""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from devbroker import DevBroker
from flowtrail_collector.app import build_collector
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings, WebConfig
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.trails.model import TrailInputs
from trailkit import orders
from trailkit.past import sample_history
from trailkit.trouble import GROUP, PLACES, STORY, publish_trouble, redrive
from trailkit.web import served
from waiting import Deadline, scaled

FLOWS = Path(__file__).parents[3] / "demo" / "orderflow" / "flows.yaml"
SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
GROUPS = {
    "inventory": ("orders", 0),
    "billing": ("inventory", 4),
    "fulfillment": ("orders", 1),
    "customers": ("shipments", 0),
}
"""What each group reads, and how far behind it is."""

ORDERS = {
    "completed": ("order-1001", orders.completed, 40),
    "declined": ("order-1002", orders.declined, 35),
    "poisoned": ("order-1003", orders.poisoned, 300),
    "redriven": ("order-1004", orders.redriven, 600),
    "silent": ("order-1005", orders.silent, 400),
    "on its way": ("order-1006", orders.silent, 5),
}
"""Order number, story and how many seconds ago it began, by what became of it."""


@contextlib.contextmanager
def site(
    folder: Path, *, token: str | None = None, show_payloads: bool = False, trouble: bool = False
) -> Iterator[str]:
    """Gives the base URL of a collector that has read and learned everything there is.

    With `trouble`, there is also what `trailkit.trouble` makes, and one dead letter was redriven by alice.
    """
    with DevBroker() as broker:
        config = CollectorConfig(
            KafkaConfig(broker.bootstrap_servers),
            flows=FLOWS,
            store=folder / "site.sqlite",
            web=WebConfig(
                "127.0.0.1:0",
                token=token,
                trace_link="https://jaeger.example/trace/{trace_id}",
                show_payloads=show_payloads,
            ),
            lag=LagSettings(interval_seconds=0.3),
            sweep_interval_seconds=0.2,
        )
        collector = build_collector(config)
        try:
            spans = SqlSpans(collector.database)
            last: dict[str, int] = {}
            for inputs in _stories(trouble=trouble):
                spans.add(_published(broker.bootstrap_servers, inputs, last).spans)
            if trouble:
                publish_trouble(broker.bootstrap_servers)
            _commit(broker.bootstrap_servers, last)
            sample_history(collector.database, time.time())
            collector.supervisor.start()
            with served(collector.app) as url:
                _await(url, trouble=trouble)
                if trouble:
                    redrive(url, "order-1008")
                yield url
        finally:
            collector.close()


def _stories(*, trouble: bool) -> Iterator[TrailInputs]:
    now_ms = int(time.time() * 1000)
    if trouble:
        yield orders.silent(**STORY, start_ms=now_ms - 500_000)
    for number, (subject, story, seconds_ago) in enumerate(ORDERS.values(), 1):
        yield story(
            subject=subject,
            correlation_id=f"0198f3a0-{number:04d}-7000-8000-00000000000{number}",
            trace_id=f"{number:08x}16cd43dd8448eb211c80319c",
            start_ms=now_ms - seconds_ago * 1000,
        )
    for number in range(20):
        yield orders.completed(
            subject=f"order-{900 + number}",
            correlation_id=f"flow-{number}",
            trace_id=f"{number + 100:032x}",
            start_ms=now_ms - 900_000 + number * 20_000,
        )


def _published(servers: str, inputs: TrailInputs, last: dict[str, int]) -> TrailInputs:
    """Write the events, and give the spans the offsets that they got."""
    producer = Producer({"bootstrap.servers": servers})
    letters = {item.event_id: item for item in inputs.dead_letters}
    offsets: dict[tuple[str, str | None, str | None], int] = {}

    for event in inputs.events:

        def stored(error, message, event=event) -> None:
            assert error is None, error
            last[event.topic] = message.offset()
            offsets[event.topic, event.trace_id, event.span_id] = message.offset()

        producer.produce(
            event.topic,
            b"{}",
            key=event.subject,
            partition=0,
            timestamp=event.timestamp_ms,
            headers=_headers(event, letters.get(event.event_id) if event.dead_letter else None),
            on_delivery=stored,
        )
        producer.flush(scaled(10))
    spans = []
    for span in inputs.spans:
        place = (span.text(names.DESTINATION) or "", span.trace_id, span.span_id)
        offset = offsets.get(place, offsets.get((place[0], span.trace_id, span.parent_span_id)))
        known = {} if offset is None else {names.OFFSET: offset}
        spans.append(replace(span, attributes={**span.attributes, **known}))
    return replace(inputs, spans=tuple(spans))


def _headers(event: StoredEvent, letter: DeadLetter | None) -> list[tuple[str, bytes]]:
    moment = datetime.fromtimestamp((event.time_ms or 0) / 1000, UTC)
    texts = {
        "ce_specversion": "1.0",
        "ce_id": event.event_id,
        "ce_type": event.type,
        "ce_source": event.source,
        "ce_subject": event.subject,
        "ce_time": moment.isoformat(),
        "ce_correlationid": event.correlation_id,
        "ce_causationid": event.causation_id,
        "traceparent": f"00-{event.trace_id}-{event.span_id}-01",
        "content-type": "application/json",
    }
    if letter is not None:
        texts |= {
            "dlq.topic": letter.source_topic,
            "dlq.partition": "0",
            "dlq.offset": "1",
            "dlq.group": letter.group,
            "dlq.attempts": str(letter.attempts),
            "dlq.error.type": letter.error_type,
            "dlq.error.message": letter.error_message,
            "dlq.failed_at": moment.isoformat(),
        }
    return [(name, text.encode()) for name, text in texts.items() if text is not None]


def _commit(servers: str, last: dict[str, int]) -> None:
    for group, (topic, behind) in GROUPS.items():
        consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
        offset = max(0, last[topic] + 1 - behind)
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        consumer.close()


def _await(url: str, *, trouble: bool) -> None:
    """Until the lag of every group is there, a step is late and the map knows its edges."""
    signs = {
        "/lag": [*GROUPS],
        "/sagas?stuck=true": ["order-1005", "order-1003"],
        "/map": ["billing", "fulfillment", "customers", "payments", "shipments"],
        "/dead-letters": ["total_cents is negative"],
        "/readyz": ["ready"],
    }
    if trouble:
        signs["/dead-letters"] += PLACES
        signs["/lag"] += [GROUP]
    deadline = Deadline(30)
    for path, wanted in signs.items():
        while True:
            text = ""
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(url + path, timeout=scaled(10)) as answer,
            ):
                text = answer.read().decode()
            if all(word in text for word in wanted):
                break
            assert not deadline.passed, f"{path} never shows {wanted}"
            time.sleep(0.05)
