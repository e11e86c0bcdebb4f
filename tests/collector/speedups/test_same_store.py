"""A store is the same to the byte, whoever read its events."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.identity import hashes_by
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming, plain_reader
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.intake import intake_by
from flowtrail_collector.sagas.sql.blobs import blobs_by
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.packs.writing import packing
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from headerkit import USUALLY_WRITTEN
from sagakit import NOW_MS, ORDERS, Happening

FLOWS = parse_flows(ORDERS)
TYPES = ["OrderPlaced", "StockReserved", "StockReservationFailed", "PaymentCompleted", "PaymentFailed",
         "StockReleased", "OrderShipped", "OrderCancelled", "Other"]  # fmt: skip
ODD = [("ce_time", b"yesterday"), ("ce_id", b"twice"), ("x", b"\xff"), ("ce-type", b"OrderPlaced"), ("ce_sequence", None)]  # fmt: skip
HAPPENINGS = st.lists(
    st.tuples(
        st.builds(
            Happening,
            st.sampled_from(TYPES),
            st.integers(0, 40_000),
            st.none() | st.sampled_from(["e1", "e2", "ü", ""]),
            st.sampled_from(["f1", "f2", "f3"]),
            st.none() | st.sampled_from(["e1", "f1-OrderPlaced", "f2-StockReserved"]),
            subject=st.none() | st.sampled_from(["order-1", "order-2"]),
        ),
        st.lists(st.sampled_from([*USUALLY_WRITTEN.items(), *ODD]), max_size=3),
    ),
    max_size=25,
)


def _written(folder: Path, batches: list[list[Incoming]], compiled: ModuleType | None) -> bytes:
    path = folder / f"{compiled is None}.sqlite"
    database = SqliteDatabase(path)
    try:
        store = SqliteStore(database, packing(compiled), blobs_by(compiled))
        ingest = Ingest(
            store,
            FLOWS,
            time_seconds=lambda: NOW_MS / 1000,
            read_plain=plain_reader(compiled),
            hashes=hashes_by(compiled),
            intake=intake_by(compiled),
        )
        expected = None
        for number, batch in enumerate(batches, 1):
            offset = (expected or 0) + len(batch)
            ingest.apply(batch, [Advance("orders", 0, expected, offset, number * 20_000)])
            expected = offset
            Sweeper(store, FLOWS).sweep()
    finally:
        database.close()
    return path.read_bytes()


@pytest.mark.slow
@given(st.lists(HAPPENINGS, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_store_is_the_same_to_the_byte(
    compiled: ModuleType, happened: list[list[tuple[Happening, list[tuple[str, bytes | None]]]]]
) -> None:
    offset, batches = 0, []
    for happenings in happened:
        batch = []
        for item, more in happenings:
            batch.append(Incoming("orders", 0, offset, item.at_ms, b"k", [*item.headers, *more]))
            offset += 1
        batches.append(batch)
    with TemporaryDirectory() as name:
        folder = Path(name)
        assert _written(folder, batches, compiled) == _written(folder, batches, None)
