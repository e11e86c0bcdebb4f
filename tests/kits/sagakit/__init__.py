"""A collector's core on a real store, driven by hand: no broker, no clock but the test's.

With FLOWTRAIL_SPEEDUPS=required events are read by flowtrail-speedups, as in collectors that are started then.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flowtrail_collector.events.identity import hashes_by
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming, plain_reader
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.intake import intake_by
from flowtrail_collector.sagas.sql.blobs import blobs_by
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.speedups import speedups
from flowtrail_collector.store.packs.writing import packing
from flowtrail_collector.store.sqlite.database import SqliteDatabase

NOW_MS = 2_000_000_000_000
"""What the test's clock says unless it is moved: later than every record."""

ORDERS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, by: inventory, within: 3s, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, by: billing, within: 6s, undone: PaymentRefunded}
      ship: {done: OrderShipped, by: fulfillment, within: 8s}
    completes: OrderShipped
    cancels: OrderCancelled
    within: 15s
"""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event as a test writes it down: type, time in ms, id, the flow it belongs to, what caused it, its payload."""

    type: str
    at_ms: int
    id: str | None = None
    flow: str = "f1"
    cause: str | None = None
    source: str = "/orders"
    subject: str | None = "order-1"
    payload: object = None

    def value(self) -> bytes:
        """The payload as it is written."""
        return b"" if self.payload is None else json.dumps(self.payload).encode()

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id or f"{self.flow}-{self.type}"),
            ("ce_type", self.type),
            ("ce_source", self.source),
            ("ce_correlationid", self.flow),
        ]
        if self.cause:
            pairs.append(("ce_causationid", self.cause))
        if self.subject:
            pairs.append(("ce_subject", self.subject))
        return [(name, value.encode()) for name, value in pairs]


class Core:
    """Ingest and sweep over one store."""

    def __init__(self, path: Path, flows: str | Flows = ORDERS, now_ms: int = NOW_MS) -> None:
        self.flows = parse_flows(flows) if isinstance(flows, str) else flows
        self.now_ms = now_ms
        self.database = SqliteDatabase(path)
        compiled = speedups("required" if os.environ.get("FLOWTRAIL_SPEEDUPS") == "required" else "off")
        self.store = SqliteStore(self.database, packing(compiled), blobs_by(compiled))
        self.ingest = Ingest(
            self.store,
            self.flows,
            time_seconds=lambda: self.now_ms / 1000,
            read_plain=plain_reader(compiled),
            hashes=hashes_by(compiled),
            intake=intake_by(compiled),
        )
        self.sweeper = Sweeper(self.store, self.flows)

    def read(self, happenings: Iterable[Happening], partition: int = 0, until_ms: int | None = None) -> None:
        """Take in one batch of one partition's records."""
        place = ("orders", partition)
        known = self.store.positions().get(place)
        begin = known.next_offset if known else 0
        records = [
            Incoming(*place, begin + number, item.at_ms, None, item.headers, value=item.value)
            for number, item in enumerate(happenings)
        ]
        watermark_ms = (
            until_ms if until_ms is not None else max((r.timestamp_ms or 0 for r in records), default=0)
        )
        if known:
            watermark_ms = max(watermark_ms, known.watermark_ms)
        self.ingest.apply(
            records, [Advance(*place, known and known.next_offset, begin + len(records), watermark_ms)]
        )

    def pass_time(self, until_ms: int) -> None:
        """Every partition turns out to have been read until then; sweep."""
        places = self.store.positions() or {("orders", 0): None}
        advances = [
            Advance(
                *place, position and position.next_offset, position.next_offset if position else 0, until_ms
            )
            for place, position in places.items()
        ]
        self.ingest.apply((), advances)
        self.sweeper.sweep()

    def counters(self) -> dict[tuple[str, ...], float]:
        """Every saga counter that isn't 0, by name and labels."""
        counts = self.store.saga_figures().counts
        return {
            (name.removeprefix("saga_"), *labels): round(value, 6)
            for (name, labels), value in counts.items()
            if name.startswith("saga_") and value
        }

    def ended(self) -> dict[str, int]:
        """Instances that ended, by outcome."""
        found: Counter[str] = Counter()
        for (name, *labels), value in self.counters().items():
            if name == "ended":
                found[labels[-1]] += int(value)
        return dict(found)

    def kinds(self) -> dict[str, int]:
        """Open instances by kind (`open`, `partial`, `stuck`, `uncompensated`), without zeros."""
        found: Counter[str] = Counter()
        for _, kind, count in self.store.saga_figures().open_by_flow:
            found[kind] += count
        return {kind: count for kind, count in found.items() if count}


@contextlib.contextmanager
def core(folder: Path, flows: str | Flows = ORDERS, name: str = "store.sqlite") -> Iterator[Core]:
    """A core that is closed at the end."""
    made = Core(folder / name, flows)
    try:
        yield made
    finally:
        made.database.close()
