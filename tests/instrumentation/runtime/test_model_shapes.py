"""Every type that a handler asks for is built, or refused where the handler is registered: never a silent dict."""

from __future__ import annotations

import collections
import dataclasses
import enum
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import pydantic
import pydantic.dataclasses
import pytest
from pydantic import BaseModel, ConfigDict, Field

import flowtrail
from flowtrail import _pydantic, _shape
from flowtrail.errors import ConfigurationError
from flowtrail.testing import Harness

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Line:
    sku: str
    quantity: int = 1


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]
    first: T | None = None


@dataclasses.dataclass
class Lines(Page[Line]):
    more: bool = False


@dataclasses.dataclass
class Nested(Generic[T]):
    page: Page[T]


class State(enum.Enum):
    OPEN = "open"
    PAID = "paid"


class Priority(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Card(BaseModel):
    kind: Literal["card"] = "card"
    pan: str


class Sepa(BaseModel):
    kind: Literal["sepa"] = "sepa"
    iban: str


class Place(NamedTuple):
    row: int
    column: int


class Basket(TypedDict):
    lines: list[Line]
    note: NotRequired[str]


@dataclasses.dataclass
class Order:
    many: tuple[Line, ...] = ()
    pair: tuple[Line, int] | None = None
    either: Line | str | None = None
    some: set[str] = dataclasses.field(default_factory=set)
    state: State = State.OPEN
    open_state: State | str = State.OPEN
    at: datetime | str | None = None
    paid: Card | Sepa | None = None
    named: Mapping[str, Line] = dataclasses.field(default_factory=dict)
    listed: Sequence[Line] = ()


@pydantic.dataclasses.dataclass
class Aliased:
    order: str = Field(alias="orderId")


Alias = NewType("Alias", Line)
SKU, A = {"sku": "a"}, Line("a")
BUILT: Mapping[str, tuple[Any, Any, Any]] = {
    "generic": (Page[Line], {"items": [SKU], "first": SKU}, Page([A], A)),
    "generic of numbers": (Page[int], {"items": [1]}, Page([1])),
    "made of a generic": (Lines, {"items": [SKU], "more": True}, Lines([A], more=True)),
    "generic in a generic": (Nested[Line], {"page": {"items": [SKU]}}, Nested(Page([A]))),
    "union": (Card | Sepa, {"kind": "sepa", "iban": "x"}, Sepa(iban="x")),
    "union of dataclasses": (Line | Page[int], {"items": [1]}, Page([1])),
    "discriminated": (Annotated[Card | Sepa, Field(discriminator="kind")], {"kind": "card", "pan": "1"}, Card(pan="1")),
    "union or nothing": (Card | Sepa | None, {"kind": "card", "pan": "1"}, Card(pan="1")),
    "a line, text or nothing": (Line | str | None, SKU, A),
    "text of those": (Line | str | None, "x", "x"),
    "a line or lines": (Line | list[Line], [SKU], [A]),
    "annotated": (Annotated[Line, "a line"], SKU, A),
    "new type": (Alias, SKU, A),
    "tuple": (tuple[Line, ...], [SKU], (A,)),
    "pair": (tuple[Line, int], [SKU, 1], (A, 1)),
    "set": (set[Line], [SKU], {A}),
    "deque": (collections.deque[Line], [SKU], collections.deque([A])),
    "named tuple": (Place, [1, 2], Place(1, 2)),
    "typed dict": (Basket, {"lines": [SKU], "note": "n"}, {"lines": [A], "note": "n"}),
    "enumeration": (State, "paid", State.PAID),
    "enumeration by name": (State, "PAID", State.PAID),
    "dataclass of pydantic": (Aliased, {"orderId": "1"}, Aliased(orderId="1")),
    "tuples in a dataclass": (Order, {"many": [SKU], "pair": [SKU, 2]}, Order((A,), (A, 2))),
    "unions in a dataclass": (Order, {"either": SKU, "paid": {"pan": "1"}}, Order(either=A, paid=Card(pan="1"))),
    "members in a dataclass": (Order, {"state": "PAID", "open_state": "new"}, Order(state=State.PAID, open_state="new")),
    "abstract ones in a dataclass": (Order, {"named": {"a": SKU}, "listed": [SKU]}, Order(named={"a": A}, listed=[A])),
    "what JSON has": (Order, {"at": "2026-01-01", "some": ["a"]}, Order(at="2026-01-01", some={"a"})),
    "members for keys": (dict[State, int], {"open": 1, "PAID": 2}, {State.OPEN: 1, State.PAID: 2}),
    "numbers for keys": (dict[Priority, Line], {"1": SKU}, {Priority.HIGH: A}),
    "anything": (Any, SKU, SKU),
    "a plain dict": (dict[str, Any], SKU, SKU),
}  # fmt: skip
MISFITS: Mapping[str, tuple[Any, Any]] = {
    "no member": (State, "lost"), "no member in a dataclass": (Order, {"state": "lost"}), "no object": (Line | str, [1]),
    "no list": (tuple[Line, ...], {"a": 1}), "too few": (tuple[Line, int], [SKU]), "none of them": (Card | Sepa, {"a": 1}),
    "not of this type": (Page[Line], {"items": [1]}),
}  # fmt: skip


def got(model: Any, *data: Any) -> tuple[list[Any], int]:
    """What a handler gets, and how many dead letters there are."""
    trail = flowtrail.Trail("s")
    seen: list[Any] = []

    def handle(event: Any) -> None:
        seen.append(event.data)

    handle.__annotations__["event"] = flowtrail.Event[model]
    trail.consumer("in", retry=flowtrail.Retry(attempts=1))(handle)
    with Harness(trail) as flow:
        for each in data:
            flow.deliver("in", each, type="T")
        return seen, len(flow.dead_letters())


@pytest.mark.parametrize("name", BUILT)
def test_it_is_built(name: str) -> None:
    model, data, expected = BUILT[name]
    seen, letters = got(model, data)
    assert (seen, letters) == ([expected], 0)
    assert type(seen[0]) is type(expected)


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_a_dead_letter(name: str) -> None:
    model, data = MISFITS[name]
    assert got(model, data) == ([], 1)


class Odd:
    """Nothing that says what it is made of."""


@dataclasses.dataclass
class Holds:
    odd: Odd | None = None


REFUSED: Mapping[str, Any] = {
    "a class of one's own": Odd, "in a dataclass": Holds, "in a list": list[Odd], "in a union": Odd | Line,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_nothing_can_build_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="ask for a dataclass") as caught:
        got(REFUSED[name])
    assert "\n" not in str(caught.value)


WITHOUT = [
    name for name in BUILT
    if not any(word in name for word in ("union", "discriminated", "deque", "named tuple", "pydantic", "dataclass", "JSON"))
]  # fmt: skip


@pytest.fixture
def without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (_shape.shape_of, _pydantic._installed):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.setattr(_pydantic, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_pydantic")
def test_dataclasses_need_no_pydantic() -> None:
    try:
        for name in WITHOUT:
            model, data, expected = BUILT[name]
            assert _shape.shape_of(model) is None or _shape.shape_of(model)(data) == expected, name  # type: ignore[misc]
        with pytest.raises(ConfigurationError, match="install pydantic"):
            _shape.shape_of(Line | Page[int])
    finally:
        for cached in (_shape.shape_of, _pydantic._installed):
            cached.cache_clear()


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, ser_json_bytes="base64", val_json_bytes="base64")
    at: datetime
    id: uuid.UUID
    raw: bytes
    some: set[int]
    pair: tuple[int, int]
    state: State


STRICT = Strict(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    id=uuid.UUID(int=1),
    raw=b"\xff",
    some={1},
    pair=(1, 2),
    state=State.PAID,
)


@pytest.mark.parametrize("model", [Strict, list[Strict], Strict | Card, Page[Strict]], ids=str)
def test_a_strict_model_reads_the_json_that_it_wrote(model: Any) -> None:
    data: Any = [STRICT] if model == list[Strict] else Page([STRICT]) if model == Page[Strict] else STRICT
    assert got(model, data) == ([data], 0)


def test_a_strict_model_stays_strict() -> None:
    class Number(BaseModel):
        model_config = ConfigDict(strict=True)
        number: int

    assert got(Number, {"number": "1"}, {"number": 1}) == ([Number(number=1)], 1)


def test_large_numbers_are_read_as_they_are() -> None:
    class Number(BaseModel):
        number: int
        fraction: float

    assert got(Number, {"number": 10**30, "fraction": 0.1}) == ([Number(number=10**30, fraction=0.1)], 0)
