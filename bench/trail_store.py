"""A store full of orders, and events like those in it."""

from __future__ import annotations

import time
from pathlib import Path

from bench.ingest import SOURCES, TYPES
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.sql import SqlTopology

_CHUNK_ORDERS = 4_000
_HEADERS_TIME = b"2026-11-23T10:00:00.000000Z"


def order(number: int) -> tuple[str, str, str]:
    """Subject, correlation id and trace id of an order."""
    return f"order-{number}", f"0190a000-0000-7000-8000-{number:012x}", f"{number + 1:032x}"


def headers_of(number: int, step: int, run: str = "") -> list[tuple[str, bytes | None]]:
    """Headers as flowtrail writes them."""
    subject, flow, trace = order(number)
    texts = {
        "ce_specversion": "1.0",
        "ce_id": f"{run}e-{number}-{step}",
        "ce_type": TYPES[step],
        "ce_source": SOURCES[step],
        "ce_subject": run + subject,
        "ce_correlationid": run + flow,
        **({"ce_causationid": f"{run}e-{number}-{step - 1}"} if step else {}),
        "ce_dataschema": f"{TYPES[step]}/1",
        "content-type": "application/json",
        "traceparent": f"00-{trace}-{step + 1:016x}-01",
    }
    return [*((name, text.encode()) for name, text in texts.items()), ("ce_time", _HEADERS_TIME)]


def fill(path: Path, flow_file: Path, orders: int, traced: int) -> None:
    """Orders of five events each; one in fifty waits for its payment; the first `traced` have spans too."""
    database = SqliteDatabase(path)
    flows = load_flows(flow_file)
    store = SqliteStore(database)
    ingest = Ingest(store, flows)
    start_ms = int(time.time() * 1000) - orders * 10
    offset = 0
    for first in range(0, orders, _CHUNK_ORDERS):
        records: list[Incoming] = []
        for number in range(first, min(first + _CHUNK_ORDERS, orders)):
            for step in range(2 if number % 50 == 0 else 5):
                moment = start_ms + number * 10 + step * 30
                records.append(
                    Incoming("filled", 0, offset + len(records), moment, b"k", headers_of(number, step))
                )
        following = offset + len(records)
        ingest.apply(records, [Advance("filled", 0, offset or None, following, int(time.time() * 1000))])
        offset = following
    spans = SqlSpans(database)
    for first in range(0, traced, 1_000):
        spans.add(
            [
                span
                for number in range(first, min(first + 1_000, traced))
                for span in spans_of(number, start_ms)
            ]
        )
    # As a collector that has been running all the time would have left it.
    Sweeper(store, flows).sweep()
    learning = Learning(database, [SqlTopology(database)])
    while learning.learn():
        pass
    database.close()


def spans_of(number: int, start_ms: int) -> list[Span]:
    """Send and process spans of one order."""
    subject, flow, trace = order(number)
    found = []
    for step in range(5):
        start_ns = (start_ms + number * 10 + step * 30) * 1_000_000
        shared = {
            names.MESSAGE_ID: f"e-{number}-{step}",
            names.CONVERSATION_ID: flow,
            names.DESTINATION: "filled",
            names.EVENT_TYPE: TYPES[step],
            names.EVENT_SUBJECT: subject,
        }
        service = SOURCES[step].strip("/")
        send_id = f"{step + 1:016x}"
        found.append(
            Span(trace, send_id, f"{step + 100:016x}" if step else None, Resource(service), "send filled",
                 SpanKind.PRODUCER, start_ns, start_ns + 2_000_000, attributes=shared)
        )  # fmt: skip
        if step < 4:
            following = SOURCES[step + 1].strip("/")
            found.append(
                Span(trace, f"{step + 101:016x}", send_id, Resource(following), "process filled",
                     SpanKind.CONSUMER, start_ns + 10_000_000, start_ns + 29_000_000,
                     attributes={**shared, names.GROUP: following})
            )  # fmt: skip
    return found
