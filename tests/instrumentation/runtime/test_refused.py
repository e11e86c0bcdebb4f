"""What can't be meant, or can't be written as it is, is refused before anything is sent."""

from __future__ import annotations

import asyncio
import enum
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypedDict
from uuid import UUID

import pydantic
import pytest

import flowtrail
from flowtrail._event import record_id
from flowtrail.errors import ConfigurationError, EncodeError
from flowtrail.testing import Harness
from flowtrail.wire import Record

WHAT = ("subject", "key", "sequence")


@dataclass
class Order:
    order_id: str
    number: int = 1

    @property
    def reference(self) -> str:
        return f"R-{self.order_id}"


class Typed(TypedDict):
    order_id: str
    number: int


class Checked(pydantic.BaseModel):
    order_id: str
    number: int = 1


class Open(pydantic.BaseModel, extra="allow"):
    order_id: str


class Plain:
    def __init__(self, order_id: str) -> None:
        self.order_id = order_id


def as_dataclass(order_id: str) -> Order:
    return Order(order_id)


def as_typed_dict(order_id: str) -> Typed:
    return {"order_id": order_id, "number": 1}


def as_pydantic(order_id: str) -> Checked:
    return Checked(order_id=order_id)


async def as_dataclass_async(order_id: str) -> Order:
    return Order(order_id)


def as_dict(order_id: str) -> dict[str, Any]:
    return {"order_id": order_id}


def as_unsaid(order_id):  # type: ignore[no-untyped-def]
    return {"order_id": order_id}


def as_open_model(order_id: str) -> Open:
    return Open(order_id=order_id)


def with_any_arguments(*order_ids: str, **others: Any) -> dict[str, Any]:
    return {"first": order_ids[0], **others}


KNOWN = (as_dataclass, as_typed_dict, as_pydantic, as_dataclass_async)
UNKNOWN = (as_dict, as_unsaid, as_open_model, with_any_arguments)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("function", KNOWN, ids=lambda function: function.__name__)
def test_a_name_that_nothing_bears_is_refused_at_registration(function: Any, what: str) -> None:
    trail = flowtrail.Trail("s")
    picks: Any = {what: "orderid"}
    with pytest.raises(
        ConfigurationError, match=rf"^{what}='orderid' .*{function.__name__}\(order_id\).*number"
    ):
        trail.producer("t", type="T", **picks)(function)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("function", UNKNOWN, ids=lambda function: function.__name__)
def test_where_fields_are_not_declared_the_first_call_is_refused(function: Any, what: str) -> None:
    trail = flowtrail.Trail("s")
    picks: Any = {what: "orderid"}
    published = trail.producer("t", type="T", **picks)(function)
    with Harness(trail) as flow:
        with pytest.raises(ConfigurationError, match=rf"^{what}='orderid' is neither"):
            published("o-1")
        assert flow.published("t") == []
        assert flow.spans == []


def test_a_coroutine_is_refused_too() -> None:
    trail = flowtrail.Trail("s")

    @trail.producer("t", type="T", subject="orderid")
    async def placed(order_id: str) -> dict[str, Any]:
        return {"order_id": order_id}

    with Harness(trail) as flow:
        with pytest.raises(ConfigurationError, match="orderid"):
            asyncio.run(placed("o-1"))
        assert flow.published("t") == []


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("pick", [5, ("order_id",), b"order_id"], ids=repr)
def test_a_pick_is_a_name_or_a_function(what: str, pick: Any) -> None:
    picks: Any = {what: pick}
    with pytest.raises(ConfigurationError, match=rf"^{what} is the name of"):
        flowtrail.Trail("s").producer("t", type="T", **picks)(as_dict)


def any_keyword(**fields: Any) -> dict[str, Any]:
    return {"total": 5}


FOUND: dict[str, tuple[Any, Any, Callable[[Any], Any], str | None]] = {
    "argument": (as_dict, "order_id", lambda call: call("o-1"), "o-1"),
    "argument by name": (as_dict, "order_id", lambda call: call(order_id="o-1"), "o-1"),
    "field": (as_dataclass, "number", lambda call: call("o-1"), "1"),
    "property": (as_dataclass, "reference", lambda call: call("o-1"), "R-o-1"),
    "undeclared field": (as_open_model, "order_id", lambda call: call("o-1"), "o-1"),
    "any keyword": (any_keyword, "order", lambda call: call(order="o-1"), "o-1"),
    "function": (as_dict, lambda data: data["order_id"].upper(), lambda call: call("o-1"), "O-1"),
    "nothing, said": (as_dict, "order_id", lambda call: call(None), None),
}


@pytest.mark.parametrize("what", ["subject", "key"])
@pytest.mark.parametrize("name", FOUND)
def test_what_is_there_is_found(name: str, what: str) -> None:
    function, pick, call, expected = FOUND[name]
    trail = flowtrail.Trail("s")
    picks: Any = {what: pick}
    published = trail.producer("t", type="T", **picks)(function)
    with Harness(trail) as flow:
        call(published)
        (event,) = flow.published("t")
    assert (event.key or b"").decode() == (expected or "")
    assert event.subject == (expected if what == "subject" else None)


class Colour(enum.Enum):
    RED = "red"


class Mixed(str, enum.Enum):  # noqa: UP042 - what people have
    RED = "red"


class Number(enum.IntEnum):
    SEVEN = 7


class OrderId:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Colour.RED, "red"), (Mixed.RED, "red"), (Number.SEVEN, "7"), (7, "7"), (OrderId("o"), "o"),
     (UUID(int=1), str(UUID(int=1)))],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_subject_and_key_are_the_same_text(value: Any, text: str) -> None:
    trail = flowtrail.Trail("s")
    trail_producer = trail.producer("t", type="T", subject="order_id")(lambda order_id: {})
    with Harness(trail) as flow:
        trail_producer(value)
        (event,) = flow.published("t")
    assert (event.subject, event.key) == (text, text.encode())


@pytest.mark.parametrize(
    "value", [object(), {"a": 1}, ["o"], 1.5, True, b"o", Order("o")], ids=lambda value: type(value).__name__
)
def test_what_has_no_one_text_is_no_subject(value: Any) -> None:
    trail = flowtrail.Trail("s")
    trail_producer = trail.producer("t", type="T", subject="order_id")(lambda order_id: {})
    with Harness(trail) as flow:
        with pytest.raises(EncodeError, match="a subject or key is text"):
            trail_producer(value)
        assert flow.published("t") == []


# -- the same for publish and outbox


class Desk:
    """Two ways to say an event, on one harness."""

    def __init__(self, path: Path) -> None:
        self.trail = flowtrail.Trail("s")
        self.connection = sqlite3.connect(path, timeout=10)
        self.outbox = self.trail.outbox(lambda: sqlite3.connect(path, timeout=10))
        self.outbox.create_table(self.connection)
        self.connection.commit()

    def publish(self, **fields: Any) -> None:
        self.trail.publish("t", {}, **{"type": "T", **fields})

    def add(self, **fields: Any) -> None:
        self.outbox.add(self.connection, "t", {}, **{"type": "T", **fields})
        self.connection.commit()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "outbox.sqlite")
    yield desk
    desk.connection.close()


REFUSED: list[tuple[str, Any, str]] = [
    ("headers", {"tenant": "acme"}, "the header 'tenant' is str, and should be bytes"),
    ("headers", [("tenant", 7)], "the header 'tenant' is int, and should be bytes"),
    ("headers", [(7, b"acme")], "a header is a pair of a name and bytes"),
    ("headers", ["tenant"], "a header is a pair of a name and bytes"),
    ("headers", 7, "headers are pairs of a name and bytes, not int"),
    *[
        (field, value, reason)
        for field, limit in (("id", 256), ("type", 256), ("subject", 1024))
        for value, reason in (
            ("x" * (limit + 1), "the limit is"),
            ("é" * (limit // 2 + 1), "the limit is"),
            ("a\nb", "can't be printed"),
            ("\ud800", "can't be printed"),
            ("", "is empty"),
        )
    ],
    ("id", UUID(int=1), "is text, not UUID"),
    ("id", 7, "is text, not int"),
    ("version", "x" * 1024, "the limit is"),
    ("version", "1\n", "can't be printed"),
    *[("sequence", value, "whole number") for value in (-1, 2**63, "7", 1.5, True)],
    *[("time", value, "is a datetime") for value in ("yesterday", "", "12:00", 1700000000, date(2026, 3, 1))],
]


@pytest.mark.parametrize("way", [Desk.publish, Desk.add], ids=["publish", "outbox"])
@pytest.mark.parametrize(("field", "value", "reason"), REFUSED)
def test_what_cannot_be_written_as_it_is_is_refused(
    desk: Desk, way: Any, field: str, value: Any, reason: str
) -> None:
    with Harness(desk.trail) as flow:
        with pytest.raises(EncodeError, match=reason) as caught:
            way(desk, **{field: value})
        assert "\n" not in str(caught.value)
        flow.run()
        assert flow.published() == []
        assert flow.spans == []
    assert desk.outbox.pending(desk.connection) == 0


@pytest.mark.parametrize("way", [Desk.publish, Desk.add], ids=["publish", "outbox"])
@pytest.mark.parametrize(("field", "limit"), [("id", 256), ("type", 256), ("subject", 1024)])
def test_up_to_the_limit_it_arrives_as_it_is(desk: Desk, way: Any, field: str, limit: int) -> None:
    with Harness(desk.trail) as flow:
        for last in "ab":
            way(desk, **{field: "x" * (limit - 1) + last})
        flow.run()
        assert [getattr(event, field)[-1] for event in flow.published("t")] == ["a", "b"]


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMES: list[tuple[Any, str]] = [
    (NOON.replace(tzinfo=None), "2026-03-01T12:00:00.000000Z"),
    (NOON, "2026-03-01T12:00:00.000000Z"),
    (NOON.astimezone(timezone(timedelta(hours=-5))), "2026-03-01T12:00:00.000000Z"),
    ("2026-03-01T12:00:00", "2026-03-01T12:00:00.000000Z"),
    ("2026-03-01 12:00", "2026-03-01T12:00:00.000000Z"),
    ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
    ("2026-03-01T07:00:00.123456789-05:00", "2026-03-01T07:00:00.123456789-05:00"),
]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("way", [Desk.publish, Desk.add], ids=["publish", "outbox"])
@pytest.mark.parametrize(("given", "written"), TIMES)
def test_a_time_means_the_same_everywhere(desk: Desk, way: Any, given: Any, written: str) -> None:
    with Harness(desk.trail) as flow:
        way(desk, time=given)
        flow.run()
        (event,) = flow.published("t")
    assert dict(event.headers)["ce_time"] == written.encode()
    assert event.time is not None
    assert event.time.replace(microsecond=0) == NOON


def test_a_row_that_cannot_be_sent_holds_up_no_other(desk: Desk) -> None:
    desk.add(id="fine", key="k")
    event = desk.connection.execute("SELECT event FROM flowtrail_outbox").fetchone()[0]
    desk.connection.execute("DELETE FROM flowtrail_outbox")
    for id, key in (("x" * 300, b"a"), ("second", b"b")):
        desk.connection.execute(
            "INSERT INTO flowtrail_outbox (event_id, topic, record_key, record_value, event)"
            " VALUES (?, 't', ?, ?, ?)",
            (id, key, b"{}", event),
        )
    desk.connection.commit()
    with Harness(desk.trail) as flow:
        flow.run()
        assert [event.id for event in flow.published("t")] == ["second"]
    assert desk.outbox.pending(desk.connection) == 1


def test_records_without_ids_never_share_one() -> None:
    topics = ["t" * 249, "t" * 248 + "u", "short"]
    places = [(0, 0), (0, 2**63 - 1), (2**31 - 1, 2**63 - 1), (1, 2**63 - 2)]
    found = [record_id(Record(topic, *place)) for topic in topics for place in places]
    assert len(set(found)) == len(found)
    assert all(len(text) <= 256 for text in found)
    assert found[-4:] == [f"short/{partition}/{offset}" for partition, offset in places]
