"""Each kind of drift, seeded in each format of contracts and on each broker: that one is told, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contractkit import DIALECTS, FieldKind, write
from flowtrail.contracts import FolderSource
from flowtrail_collector.documents.asyncapi.comparing import (
    SCHEMA_DRIFT,
    UNDECLARED_PUBLISHER,
    UNDECLARED_READER,
    UNDECLARED_TYPE,
    UNSEEN,
    Finding,
    compared,
)
from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.landscape import Landscape, Received, Sent, Server, Topic
from flowtrail_collector.documents.text import yaml_text

pytestmark = pytest.mark.slow

BEGAN, LONG_AGO = "2026-01-01T00:00:00.000000Z", "2026-01-05T00:00:00.000000Z"
SINCE, NOW, TODAY = "2026-01-15T00:00:00.000000Z", "2026-01-31T09:00:00.000000Z", date(2026, 2, 1)
ID, TOTAL, NOTE = (
    FieldKind("order_id", "text", 1),
    FieldKind("total", "whole", 2),
    FieldKind("note", "text", 3),
)


class Cell(NamedTuple):
    """A format on a broker: one type on a topic of its own, written by `shop`, read by `billing`."""

    format: str
    broker: str

    @property
    def address(self) -> str:
        """The topic, as its broker calls it."""
        return f"{self.format}-{self.broker}"

    @property
    def topic(self) -> str:
        """The topic, as the collector calls it."""
        return self.address if self.broker == "kafka" else f"{self.broker}:{self.address}"

    @property
    def type(self) -> str:
        """Of its events."""
        return f"{self.format.title()}{self.broker.title()}"


CELLS = [Cell(*each) for each in product(DIALECTS, ("kafka", "rabbitmq"))]


def flowing() -> Landscape:
    sent = [Sent(cell.topic, cell.type, "1", "shop", 10, 10, 10, BEGAN, NOW) for cell in CELLS]
    received = [Received(cell.topic, "billing", "billing", frozenset({cell.type}), NOW) for cell in CELLS]
    servers = [Server("kafka", "one:9092"), Server("rabbitmq", "rabbit:5672")]
    return Landscape(
        servers=servers, topics=[Topic(cell.topic, 3) for cell in CELLS], sent=sent, received=received, since=BEGAN
    )  # fmt: skip


def contracts(
    folder: Path, changed: Cell | None = None, fields: Sequence[FieldKind] = (ID, TOTAL, NOTE)
) -> Known:
    """Those of all types, one of them other than it is declared."""
    for cell in CELLS:
        own = fields if cell == changed else (ID, TOTAL, NOTE)
        write(folder, DIALECTS[cell.format], cell.type, own)
    return Known([FolderSource(folder)])


def more_sent(cell: Cell, **changed: Any) -> Callable[[Landscape], Landscape]:
    row = Sent(cell.topic, cell.type, "1", "shop", 1, 1, 1, BEGAN, NOW)
    return lambda found: replace(found, sent=[*found.sent, replace(row, **changed)])


def more_received(cell: Cell, **changed: Any) -> Callable[[Landscape], Landscape]:
    row = Received(cell.topic, "fraud", "fraud", frozenset({cell.type}), NOW)
    return lambda found: replace(found, received=[*found.received, replace(row, **changed)])


def otherwise_sent(cell: Cell, last: str | None) -> Callable[[Landscape], Landscape]:
    return lambda found: replace(
        found,
        sent=[
            replace(row, last=last) if row.topic == cell.topic else row
            for row in found.sent
            if last or row.topic != cell.topic
        ],
    )


def unread(cell: Cell) -> Callable[[Landscape], Landscape]:
    return lambda found: replace(found, received=[row for row in found.received if row.topic != cell.topic])


Told = tuple[str, str | None, str | None, str | None]
# By kind of drift: what is told of it (kind, type, version, service), and what flows instead.
FLOWS: dict[str, Callable[[Cell], tuple[Told, Callable[[Landscape], Landscape]]]] = {
    "an undeclared type": lambda cell: (
        (UNDECLARED_TYPE, "Lost", None, "shop"), more_sent(cell, type="Lost", version=None)
    ),
    "an undeclared publisher": lambda cell: (
        (UNDECLARED_PUBLISHER, cell.type, None, "importer"), more_sent(cell, service="importer")
    ),
    "an undeclared reader": lambda cell: ((UNDECLARED_READER, None, None, "fraud"), more_received(cell)),
    "an undeclared reader, by its group": lambda cell: (
        (UNDECLARED_READER, None, None, "stats"),
        more_received(cell, service="stats", group=cell.topic.replace(cell.address, "stats"), types=None),
    ),
    "another type of a declared reader": lambda cell: (
        (UNDECLARED_READER, "Lost", None, "billing"),
        more_received(cell, service="billing", group="billing", types=frozenset({"Lost"})),
    ),
    "declared, never seen": lambda cell: ((UNSEEN, cell.type, "1", None), otherwise_sent(cell, None)),
    "declared, unseen since": lambda cell: ((UNSEEN, cell.type, "1", None), otherwise_sent(cell, LONG_AGO)),
    "a reader that isn't there": lambda cell: ((UNSEEN, None, None, "billing"), unread(cell)),
    "an undeclared version": lambda cell: ((SCHEMA_DRIFT, cell.type, "2", "shop"), more_sent(cell, version="2")),
}  # fmt: skip
# What the contract says where the document has an order's id, its total and a note; and the fields that may be told of.
SCHEMAS: dict[str, tuple[Sequence[FieldKind], str]] = {
    "another type of a field": ((ID, FieldKind("total", "text", 2), NOTE), "total"),
    "a field less": ((ID, TOTAL), "note"),
    "a field more": ((ID, TOTAL, NOTE, FieldKind("more", "text", 4)), "more"),
    "another name": ((ID, FieldKind("sum", "whole", 2), NOTE), "total sum"),
}


def told(folder: Path, flows: Landscape, known: Known) -> list[Finding]:
    """What differs from the document of what flowed first."""
    file = folder / "shop.yaml"
    document = document_of(flowing(), contracts(folder / "declared"), About())
    file.write_text(yaml_text(document), encoding="utf-8")
    return compared(declared_in(file), flows, known, owner=None, since=SINCE, today=TODAY)


def test_without_drift_nothing_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, flowing(), contracts(tmp_path / "known")) == []


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.address)
@pytest.mark.parametrize("drift", FLOWS)
def test_what_flows_otherwise_is_told(tmp_path: Path, drift: str, cell: Cell) -> None:
    expected, change = FLOWS[drift](cell)
    (found,) = told(tmp_path, change(flowing()), contracts(tmp_path / "known"))
    assert (found.kind, found.type, found.version, found.service) == expected
    assert found.topic == cell.address
    assert found.place.line > 1
    assert "\n" not in found.message


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.address)
@pytest.mark.parametrize("drift", SCHEMAS)
def test_another_schema_is_told(tmp_path: Path, drift: str, cell: Cell) -> None:
    fields, names = SCHEMAS[drift]
    found = told(tmp_path, flowing(), contracts(tmp_path / "known", cell, fields))
    if (drift, cell.format) == ("a field more", "protobuf"):
        assert found == []  # whoever reads by the document does without it
        return
    assert {(each.kind, each.type, each.version, each.topic) for each in found} == {
        (SCHEMA_DRIFT, cell.type, "1", cell.address)
    }
    fields_told = {each.change.field for each in found if each.change is not None}
    assert fields_told
    assert fields_told <= set(names.split())
