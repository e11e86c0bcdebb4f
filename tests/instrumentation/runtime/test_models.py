"""What a handler asks for with `Event[Model]` is what it gets, or it is refused where it is registered."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import pydantic
import pytest

import flowtrail
from flowtrail.contracts import Contracts
from flowtrail.errors import ConfigurationError
from flowtrail.testing import Harness

if TYPE_CHECKING:
    from nowhere import Missing, OrderEvent

    from flowtrail import Batch, Event


@dataclass
class Item:
    sku: str
    quantity: int = 1


@dataclass
class Order:
    order: str
    items: list[Item] = field(default_factory=list)
    gift: Item | None = None
    by_name: dict[str, Item] = field(default_factory=dict)


class Payment(TypedDict):
    cents: int
    card: NotRequired[str]


class Parcel(pydantic.BaseModel):
    weight: float


@dataclass
class WithMissingField:
    other: Missing


@dataclass
class WithMissingInside:
    inner: list[WithMissingField]


class TypedWithMissing(TypedDict):
    other: Missing


class PydanticWithMissing(pydantic.BaseModel):
    other: Missing


def by_missing_model(event: Event[Missing]) -> None: ...
def by_missing_alias(event: OrderEvent) -> None: ...
def by_missing_part(event: Event[list[Missing]]) -> None: ...
def in_a_batch(batch: Batch[Missing]) -> None: ...
def by_a_field(event: Event[WithMissingField]) -> None: ...
def by_a_field_inside(event: Event[WithMissingInside]) -> None: ...
def by_a_typed_dict(event: Event[TypedWithMissing]) -> None: ...
def by_pydantic(event: Event[PydanticWithMissing]) -> None: ...
async def in_a_coroutine(event: Event[Missing]) -> None: ...


class Service:
    def method(self, event: Event[Missing]) -> None: ...


class Callee:
    def __call__(self, event: Event[Missing]) -> None: ...


def with_settings(setting: int, event: Event[Missing]) -> None: ...


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


UNRESOLVED: dict[str, Callable[..., Any]] = {
    **{
        function.__name__: function
        for function in (
            by_missing_model, by_missing_alias, by_missing_part, in_a_batch, by_a_field, by_a_field_inside,
            by_a_typed_dict, by_pydantic, in_a_coroutine,
        )
    },
    "method": Service().method,
    "callable object": Callee(),
    "partial": functools.partial(with_settings, 1),
    "wrapped": wrapped(by_missing_model),
}  # fmt: skip


@pytest.mark.parametrize("name", UNRESOLVED)
def test_what_cannot_be_resolved_is_refused_where_it_is_registered(name: str) -> None:
    trail = flowtrail.Trail("s")
    batch = 5 if name == "in_a_batch" else None
    with pytest.raises(ConfigurationError, match=r"(Missing|OrderEvent).*TYPE_CHECKING") as caught:
        trail.consumer("in", batch=batch)(UNRESOLVED[name])
    assert "\n" not in str(caught.value)
    assert trail._plans == {}


def test_annotations_that_ask_for_nothing_are_no_obstacle() -> None:
    trail = flowtrail.Trail("s")
    taken: list[Any] = []

    def plain(event: Event) -> Missing: ...  # type: ignore[type-arg] # only the event's own annotation matters
    def bare(event, other: Missing = None): ...  # type: ignore[no-untyped-def]

    for number, function in enumerate((plain, bare, taken.append)):
        trail.consumer(f"t{number}")(function)
    with Harness(trail) as flow:
        flow.deliver("t2", {"a": 1}, type="T")
    assert [event.data for event in taken] == [{"a": 1}]


def test_a_model_local_to_a_function_is_found() -> None:
    trail = flowtrail.Trail("s")
    seen: list[Any] = []

    @dataclass
    class Local:
        a: int

    @trail.consumer("in")
    def handle(event: Event[Local]) -> None:
        seen.append(event.data)

    with Harness(trail) as flow:
        flow.deliver("in", {"a": 1}, type="T")
    assert seen == [Local(1)]


# -- the same result everywhere

MODELS: dict[str, tuple[Any, Any, Any]] = {
    "dataclass": (
        Order,
        {"order": "o", "items": [{"sku": "a"}], "gift": {"sku": "b", "quantity": 2}, "by_name": {"c": {"sku": "c"}}},
        Order("o", [Item("a")], Item("b", 2), {"c": Item("c")}),
    ),
    "dataclass without optional parts": (Order, {"order": "o", "gift": None}, Order("o")),
    "list of dataclasses": (list[Item], [{"sku": "a"}], [Item("a")]),
    "typed dict": (Payment, {"cents": 1}, {"cents": 1}),
    "pydantic": (Parcel, {"weight": "2.5"}, Parcel(weight=2.5)),
}  # fmt: skip
MISFITS: dict[str, tuple[Any, Any]] = {
    "dataclass": (Order, {"items": []}),
    "dataclass of a list": (Order, [1]),
    "dataclass of text": (Order, "order"),
    "inner dataclass": (Order, {"order": "o", "items": [3]}),
    "list of dataclasses": (list[Item], {"sku": "a"}),
    "typed dict": (Payment, {"card": "1"}),
    "typed dict of a list": (Payment, ["cents"]),
    "pydantic": (Parcel, {"weight": "heavy"}),
}


def binary(flow: Harness, data: Any) -> None:
    flow.deliver("in", data, type="T", version=1)


def structured(flow: Harness, data: Any) -> None:
    _deliver_structured(flow, {"data": data})


def structured_base64(flow: Harness, data: Any) -> None:
    _deliver_structured(flow, {"data_base64": base64.b64encode(json.dumps(data).encode()).decode()})


def _deliver_structured(flow: Harness, payload: dict[str, Any]) -> None:
    attributes = {"specversion": "1.0", "id": "e-1", "type": "T", "source": "/s", "dataschema": "T/1"}
    value = json.dumps({**attributes, **payload}).encode()
    flow.deliver_raw("in", value, headers=[("content-type", b"application/cloudevents+json")])


WAYS = (binary, structured, structured_base64)
FORMS = ("plain", "coroutine", "batch")


def listen(trail: flowtrail.Trail, form: str, model: Any) -> list[Any]:
    seen: list[Any] = []

    def plain(event: Any) -> None:
        seen.append(event.data)

    async def coroutine(event: Any) -> None:
        seen.append(event.data)

    def batch(events: Any) -> None:
        seen.extend(event.data for event in events.events)

    handler: Any = {"plain": plain, "coroutine": coroutine, "batch": batch}[form]
    kind = flowtrail.Batch if form == "batch" else flowtrail.Event
    (parameter,) = [name for name in handler.__annotations__ if name != "return"]
    handler.__annotations__[parameter] = kind[model]
    trail.consumer("in", batch=5 if form == "batch" else None, retry=flowtrail.Retry(attempts=1))(handler)
    return seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_the_handler_gets_its_model(name: str, form: str, way: Any) -> None:
    model, data, expected = MODELS[name]
    trail = flowtrail.Trail("s")
    seen = listen(trail, form, model)
    with Harness(trail) as flow:
        way(flow, data)
        assert flow.dead_letters() == []
    assert seen == [expected]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_a_dead_letter(name: str, form: str, way: Any) -> None:
    model, data = MISFITS[name]
    trail = flowtrail.Trail("s")
    seen = listen(trail, form, model)
    with Harness(trail) as flow:
        way(flow, data)
        (letter,) = flow.dead_letters()
    assert dict(letter.headers)["dlq.error.type"] == b"flowtrail.errors.DecodeError"
    assert seen == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_contracts_hold_in_every_mode(form: str, way: Any, tmp_path: Path) -> None:
    (tmp_path / "T").mkdir()
    schema = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
    (tmp_path / "T" / "1.json").write_text(json.dumps(schema), encoding="utf-8")
    trail = flowtrail.Trail("s", contracts=Contracts.from_folder(tmp_path))
    seen = listen(trail, form, Order)
    with Harness(trail) as flow:
        way(flow, {"order": "o"})
        if way is not binary:  # our own side doesn't let a broken one out
            way(flow, {"order": 5})
            assert flow.metric("flowtrail_contract_violations_total", side="consume") == 1
            assert len(flow.dead_letters()) == 1
    assert seen == [Order("o")]
