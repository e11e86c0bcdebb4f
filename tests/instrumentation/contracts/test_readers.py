"""What a consumer's spans say it reads, and whom a new contract would break, in each of the three formats."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Batch, Event, Trail
from flowtrail.contracts import Contracts, FolderSource, Reader, broken_readers, replaced
from flowtrail.testing import Harness
from flowtrail.wire import Record

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
ORDER_ID = FieldKind("order_id", "text", 1)
TOTAL = FieldKind("total", "whole", 2)
NOTE = FieldKind("note", "text", 3, default=("",))
V1 = (ORDER_ID, TOTAL)
PLAIN = {"order_id": "7", "total": 3}
CENTS = (ORDER_ID, FieldKind("total_cents", "whole", 5))
# What becomes of a contract; data of the new one; whether a reader of the old one gets what it knows.
CHANGES: dict[str, tuple[Sequence[FieldKind], dict[str, Any], bool]] = {
    "nothing": (V1, PLAIN, True),
    "a field with a default": ((*V1, NOTE), {**PLAIN, "note": "n"}, True),
    "a field without one": ((*V1, FieldKind("buyer", "text", 4)), {**PLAIN, "buyer": "b"}, True),
    "another name": (CENTS, {"order_id": "7", "total_cents": 300}, False),
    "another type": ((ORDER_ID, FieldKind("total", "text", 2)), {"order_id": "7", "total": "3"}, False),
    "a field less": ((ORDER_ID,), {"order_id": "7"}, False),
    "an object in place of a number": (
        (ORDER_ID, FieldKind("total", (FieldKind("cents", "whole", 1),), 2)),
        {"order_id": "7", "total": {"cents": 3}},
        False,
    ),
}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


def reader(version: int | None = 1, *, ago: float = 0, **settings: Any) -> Reader:
    last = NOW - dt.timedelta(seconds=ago)
    given = Reader("billing", "billing", "orders", "OrderPlaced", version, "registry", last)
    return replace(given, **settings)


def source(folder: Path, dialect: Dialect, *versions: Sequence[FieldKind]) -> FolderSource:
    return FolderSource(write(folder, dialect, "OrderPlaced", *versions))


# -- what spans say


def read_spans(
    contracts: Contracts,
    publishers: Contracts,
    data: Any,
    version: int,
    batch: bool = False,
    value: bytes | None = None,
) -> list[dict[str, Any]]:
    """Attributes of the process spans of a service with these contracts, of an event of another's."""
    orders = Trail("orders", client="confluent", contracts=publishers)
    with Harness(orders) as harness:
        orders.publish("orders", data, type="OrderPlaced", version=version)
        (sent,) = harness.broker.records("orders")
    trail = Trail("billing", client="confluent", contracts=contracts)

    def one(event: Event[Any]) -> None:
        pass

    def many(events: Batch[Any]) -> None:
        for member in events:
            with member:
                pass

    settings: dict[str, Any] = {"batch": 10} if batch else {}
    trail.consumer("orders", group="g", dead_letter=True, **settings)(many if batch else one)
    with Harness(trail) as harness:
        harness.deliver_raw("orders", value or sent.value, headers=sent.headers)
        harness.run()
        spans = [span for span in harness.spans if span.name == "process orders"]
    return [dict(span.attributes or {}) for span in spans]


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_spans_say_which_version_a_handler_gets(tmp_path: Path, dialect: Dialect, batch: bool) -> None:
    publishers = Contracts.from_folder(write(tmp_path / "p", dialect, "OrderPlaced", V1, CENTS))
    behind = Contracts.from_folder(write(tmp_path / "a", dialect, "OrderPlaced", V1))
    ahead = Contracts.from_folder(write(tmp_path / "b", dialect, "OrderPlaced", V1, CENTS))
    ahead.upcaster("OrderPlaced", 1, 2)(lambda data: {"order_id": data["order_id"], "total_cents": 1})
    read = {}
    for name, contracts in (("behind", behind), ("ahead", ahead)):
        (read[name],) = read_spans(contracts, publishers, PLAIN, 1, batch)
    shown = (
        (lambda version: (f"OrderPlaced/{version}",)) if batch else (lambda version: f"OrderPlaced/{version}")
    )
    assert [read["behind"].get("flowtrail.reads"), read["ahead"].get("flowtrail.reads")] == [
        shown(1),
        shown(2),
    ]
    assert {said["flowtrail.contracts"] for said in read.values()} == {"folder"}


def test_what_cant_be_read_isnt_read(tmp_path: Path, dialect: Dialect) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1))
    (said,) = read_spans(contracts, contracts, PLAIN, 1, value=b"\xff\xff")
    assert said["flowtrail.outcome"] == "dead_letter"
    assert "flowtrail.reads" not in said


@pytest.mark.parametrize(
    ("dataschema", "read"),
    [
        ("OrderPlaced/3", "OrderPlaced/3"),
        ("http://registry/subjects/OrderPlaced/versions/12", "OrderPlaced/12"),
        ("Other/3", None),
        ("OrderPlaced/latest", None),
        ("OrderPlaced/" + "9" * 40, None),
        (None, None),
    ],
)
def test_without_contracts_an_event_is_read_as_it_was_written(
    dataschema: str | None, read: str | None
) -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_type", b"OrderPlaced"), ("ce_id", b"1")]
    if dataschema is not None:
        headers.append(("ce_dataschema", dataschema.encode()))
    trail = Trail("billing", client="confluent")
    with Harness(trail) as harness:
        with trail.process(Record("orders", 0, 1, None, b"k", b"{}", headers)):
            pass
        (span,) = (span for span in harness.spans if span.name == "process orders")
    assert (span.attributes or {}).get("flowtrail.reads") == read
    assert "flowtrail.contracts" not in (span.attributes or {})


# -- who breaks


@pytest.mark.parametrize("change", list(CHANGES))
def test_who_is_said_to_break_is_who_breaks(tmp_path: Path, dialect: Dialect, change: str) -> None:
    """An event of the new version is published, and a service with the old one alone reads it."""
    after, data, readable = CHANGES[change]
    new = source(tmp_path / "new", dialect, V1, after)
    publishers = Contracts(new)
    own = Contracts.from_folder(write(tmp_path / "old", dialect, "OrderPlaced", V1))
    got: list[Any] = []
    orders = Trail("orders", client="confluent", contracts=publishers)
    with Harness(orders) as harness:
        orders.publish("orders", data, type="OrderPlaced", version=2)
        (sent,) = harness.broker.records("orders")
    trail = Trail("billing", client="confluent", contracts=own)
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: got.append(event.data))
    with Harness(trail) as harness:
        harness.deliver_raw("orders", sent.value, headers=sent.headers)
        harness.run()
    gets_all = bool(got) and {name: got[0].get(name) for name in PLAIN} == PLAIN
    said = broken_readers([reader(contracts="folder")], new)
    assert bool(said) != gets_all
    if dialect.name != "avro":  # it needs the contract that wrote it, whatever that is
        assert gets_all == readable
    # With a registry it gets the contract that wrote it.
    assert not readable or not broken_readers([reader()], new)
    assert readable or {broken.version for broken in broken_readers([reader()], new)} == {2}


def test_the_finding_names_field_and_rule(tmp_path: Path, dialect: Dialect) -> None:
    (broken,) = broken_readers([reader()], source(tmp_path, dialect, V1, CENTS))
    assert (broken.version, broken.reader.version) == (2, 1)
    assert "total" in {change.field for change in broken.changes}


def test_a_field_that_may_be_absent_goes_after_it_was_deprecated(tmp_path: Path, dialect: Dialect) -> None:
    old = FieldKind("note", "text", 3, default=("",))
    (broken,) = broken_readers([reader()], source(tmp_path / "a", dialect, (*V1, old), V1))
    assert broken.changes[0].rule == "removed-without-deprecation"
    deprecated = (*V1, FieldKind("note", "text", 3, deprecated=True))
    assert broken_readers([reader()], source(tmp_path / "b", dialect, deprecated, V1)) == []


def test_a_version_in_service_breaks_nobody_and_older_ones_neither(tmp_path: Path, dialect: Dialect) -> None:
    new = source(tmp_path, dialect, V1, CENTS)
    assert broken_readers([reader(1), reader(2)], new) == []
    assert broken_readers([reader(2)], new) == []
    assert broken_readers([reader(3)], new) == []
    # Another group of the same service that has never met it.
    (broken,) = broken_readers([reader(1, group="late"), reader(2)], new)
    assert broken.reader.group == "late"


def test_each_reader_and_each_version_is_judged_alone(tmp_path: Path, dialect: Dialect) -> None:
    new = source(tmp_path, dialect, V1, (*V1, NOTE), CENTS, (*CENTS, NOTE))
    readers = [reader(version, service=f"s{version}") for version in (1, 2, 3, 4)]
    found = [(broken.reader.service, broken.version) for broken in broken_readers(readers, new)]
    assert found == [("s1", 3), ("s1", 4), ("s2", 3), ("s2", 4)]


def test_with_the_old_state_only_what_changes_counts(tmp_path: Path, dialect: Dialect) -> None:
    old = source(tmp_path / "old", dialect, V1, CENTS)
    same = source(tmp_path / "same", dialect, V1, CENTS)
    assert broken_readers([reader(1)], same, old=old) == []
    in_place = source(tmp_path / "place", dialect, (ORDER_ID, replace(TOTAL, kind="text")), CENTS)
    (broken,) = broken_readers([reader(1)], in_place, old=old)
    assert broken.version == 1
    assert broken_readers([reader(2)], in_place, old=old) == []
    gone = FolderSource(write(tmp_path / "gone", dialect, "Other", V1))
    (broken,) = broken_readers([reader(1)], gone, old=old)
    assert (broken.version, broken.changes[0].rule) == (None, "type-removed")
    assert broken_readers([reader(1)], gone) == []


def test_what_cant_be_compared_isnt_called_fine(tmp_path: Path, dialect: Dialect) -> None:
    folder = write(tmp_path / "new", dialect, "OrderPlaced", V1, CENTS)
    (folder / "OrderPlaced" / f"1{dialect.suffix}").unlink()
    (broken,) = broken_readers([reader(1)], FolderSource(folder))
    assert broken.changes[0].rule == "version-unknown"
    old = source(tmp_path / "old", dialect, V1)
    (broken,) = broken_readers([reader(1)], FolderSource(folder), old=old)
    assert broken.changes[0].rule != "version-unknown"
    assert broken_readers([reader(None)], FolderSource(folder)) == []


def test_another_format_breaks_every_reader(tmp_path: Path, dialect: Dialect) -> None:
    folder = write(tmp_path, dialect, "OrderPlaced", V1)
    other = next(other for other in DIALECTS.values() if other is not dialect)
    (folder / "OrderPlaced" / f"2{other.suffix}").write_text(other.text("OrderPlaced", V1))
    (broken,) = broken_readers([reader(1)], FolderSource(folder))
    assert broken.changes[0].rule == "changed: format"


HOUR = 3600.0


@pytest.mark.parametrize(
    ("seen", "gone"),
    [
        ({1: 0.0}, set()),
        ({1: 9 * HOUR}, set()),
        ({1: 2 * HOUR, 2: 0.0}, {1}),
        ({1: 0.0, 2: 2 * HOUR}, {2}),  # rolled back
        ({1: 0.5 * HOUR, 2: 0.0}, set()),  # both are in service
        ({None: 2 * HOUR, 2: 0.0}, {None}),
    ],
)
def test_what_a_service_went_on_from_is_replaced(
    seen: dict[int | None, float], gone: set[int | None]
) -> None:
    readers = [reader(version, ago=ago) for version, ago in seen.items()]
    other = reader(7, ago=5 * HOUR, group="other")
    assert {found.version for found in replaced([*readers, other])} == gone
