"""Orders of every kind in stores that keep differently: the same records and spans, no broker, the test's own clock."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.keeping.wire import wire
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.settings import RetentionConfig
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.sql import SqlTopology
from sagakit.load import FLOWS, STORIES, happenings
from storekit.events import stored_events

__all__ = ["DAY_MS", "HOUR_MS", "START_MS", "Shelf", "records_of", "spans_of", "told"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = 1_700_000_000_000
_LETTERS = "orders.dlq"


def _constant(value: bytes) -> Callable[[], bytes]:
    return lambda: value


def told(number: int, at_ms: int, chance: random.Random, text: str) -> list[Incoming]:
    """The records of one story, a hundred ms apart."""
    found = []
    cause = ""
    for step, event in enumerate(happenings(number, text, chance)):
        at_ms += event.after_ms + 100
        own = f"flow-{event.number}" + (f"-{event.child}" if event.child else "")
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"{own}-{event.kind}",
            "ce_type": event.kind.partition("/")[0],
            "ce_source": "/test",
            "ce_subject": f"order-{event.number}",
            "ce_correlationid": own,
            "traceparent": f"00-{event.number + 1:032x}-{step + 1:016x}-01",
        }
        if cause:
            headers["ce_causationid"] = cause
        cause = headers["ce_id"]
        said = int(event.said) if event.said else None
        value = _constant(json.dumps({"said": said, "consignment": f"flow-{event.number}"}).encode())
        pairs = [(name, text.encode()) for name, text in headers.items()]
        found.append(Incoming("orders", 0, 0, at_ms, own.encode(), pairs, value=value))
    return found


def records_of(orders: int, chance: random.Random, letters: Iterable[int] = ()) -> list[Incoming]:
    """Orders of every kind, and dead letters of some of them."""
    found = []
    for number in range(orders):
        story = STORIES[number % len(STORIES)]
        mine = told(number, START_MS + number * 50, chance, story.text)
        found += mine
        if number in letters:
            died = mine[0]
            headers = [*(died.headers or ()), ("dlq.topic", b"orders"), ("dlq.error.type", b"ValueError")]
            found.append(died._replace(topic=_LETTERS, headers=headers, dead_letter=True))
    return sorted(found, key=lambda record: record.timestamp_ms or 0)


def spans_of(records: Sequence[Incoming]) -> list[Span]:
    """A span for each record, with the ids that its headers say."""
    found = []
    for number, record in enumerate(records):
        texts = {name: (value or b"").decode() for name, value in record.headers or ()}
        _, trace_id, parent_id, _ = texts["traceparent"].split("-")
        attributes = {
            names.MESSAGE_ID: texts["ce_id"],
            names.CONVERSATION_ID: texts["ce_correlationid"],
            names.EVENT_SUBJECT: texts["ce_subject"],
        }
        start_ns = (record.timestamp_ms or 0) * 1_000_000
        found.append(
            Span(trace_id, f"{number + 1:016x}", parent_id, Resource("test"), "process orders",
                 SpanKind.CONSUMER, start_ns, start_ns + 1_000, attributes=attributes)
        )  # fmt: skip
    return found


class Shelf:
    """A store with what fills and empties it.

    Args:
        database: An empty one.
        flows: A flow file.
        settings: What is kept how long.

    Attributes:
        now_ms: What the clock says.
    """

    def __init__(self, database: Any, *, flows: str = FLOWS, **settings: Any) -> None:
        self.now_ms = START_MS
        self.database = database
        self.flows = parse_flows(flows)
        self.store = store_on(database)
        self.spans = SqlSpans(database, time_seconds=self._seconds)
        self._ingest = Ingest(self.store, self.flows, time_seconds=self._seconds)
        self._sweeper = Sweeper(self.store, self.flows)
        self._learning = Learning(database, [SqlTopology(database, time_seconds=self._seconds)])
        self._offsets: defaultdict[str, int] = defaultdict(int)
        self._config = RetentionConfig(**settings)
        self.restart()

    def restart(self) -> None:
        """What was in memory is gone."""
        self.keeper = wire(
            self._config, self.flows, self.database, self.spans, self.store.watermark_ms, self._seconds
        )

    def _seconds(self) -> float:
        return self.now_ms / 1000

    def read(self, records: Sequence[Incoming], spans: Sequence[Span] = ()) -> None:
        """Take records and spans in; the clock shows a second after the newest of them."""
        placed, first = [], dict(self._offsets)
        for record in records:
            placed.append(record._replace(offset=self._offsets[record.topic]))
            self._offsets[record.topic] += 1
        newest_ms = max(record.timestamp_ms or 0 for record in records)
        self.now_ms = max(self.now_ms, newest_ms + 1_000)
        self._ingest.apply(
            placed,
            [Advance(topic, 0, first.get(topic), end, newest_ms) for topic, end in self._offsets.items()],
        )
        for start in range(0, len(spans), 1_000):
            self.spans.add(spans[start : start + 1_000])
        self.pass_time(0)

    def pass_time(self, passed_ms: int) -> None:
        """Nothing new comes for some time; the sweep and the edges keep up."""
        self.now_ms += passed_ms
        self._ingest.apply(
            (), [Advance(topic, 0, end, end, self.now_ms) for topic, end in self._offsets.items()]
        )
        self._sweeper.sweep()
        while self._learning.learn():
            pass

    def forget(self) -> int:
        """Look once for what may go."""
        return self.keeper.prune(threading.Event())

    def counters(self) -> dict[tuple[str, str], float]:
        """Every counter there is, and what is known of edges."""
        rows = self._rows("SELECT name, labels, sum(value) FROM counters GROUP BY name, labels")
        found = {(name, labels): round(value, 6) for name, labels, value in rows}
        edges = self._rows("SELECT source, topic, target, events, buckets FROM edges")
        return found | {("/".join(row[:3]), row[4]): row[3] for row in edges}

    def instances(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        """How each instance stands, by flow and key."""
        columns = "outcome, started_ms, ended_ms, updated_ms, waiting, breached, flags, events, late_events"
        rows = self._rows(f"SELECT flow, key, {columns} FROM sagas")
        return {row[:2]: tuple(bytes(v) if isinstance(v, memoryview) else v for v in row[2:]) for row in rows}

    def events(self) -> dict[str, set[str]]:
        """Ids of events by correlation id."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for event in stored_events(self.database).values():
            found[event.correlation_id or ""].add(event.event_id)
        return dict(found)

    def spans_by_flow(self, ids: Iterable[str]) -> dict[str, set[str]]:
        """Ids of the spans that each correlation id leads to."""
        return {flow: {span.span_id for span in self.spans.spans(self.spans.trace_ids(flow))} for flow in ids}

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.read() as connection:
            return list(connection.execute(statement).fetchall())
