"""What a model says of how it is written holds in every format, and the model reads what it wrote."""

from __future__ import annotations

import dataclasses
import enum
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic
import pydantic.dataclasses
import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from flowtrail import Event, Trail
from flowtrail.contracts import Contracts
from flowtrail.errors import ContractError
from flowtrail.testing import Harness

FORMATS = ("json", "avro", "protobuf")
_NULLABLE = ["null", "string"]
# The same fields in each format; which of them there are is what a model decides.
CONTRACTS: Mapping[str, str] = {
    "json": json.dumps({
        "type": "object",
        "properties": {
            "id": {"type": "string"}, "orderId": {"type": "string"}, "pan": {"type": ["null", "string"]},
            "n": {"type": "integer"}, "inner": {"type": "object", "properties": {"id": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "string"}}, "state": {}, "word": {},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }),
    "avro": json.dumps({"type": "record", "name": "T", "fields": [
        {"name": "id", "type": "string", "default": ""}, {"name": "orderId", "type": "string", "default": ""},
        {"name": "pan", "type": _NULLABLE, "default": None}, {"name": "n", "type": "int", "default": 0},
        {"name": "inner", "default": None, "type": ["null", {"type": "record", "name": "I", "fields": [
            {"name": "id", "type": "string", "default": ""}]}]},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "state", "type": {"type": "enum", "name": "S", "symbols": ["OPEN", "PAID"]}, "default": "OPEN"},
        {"name": "word", "type": {"type": "enum", "name": "W", "symbols": ["open", "paid"]}, "default": "open"},
        {"name": "map", "type": {"type": "map", "values": "int"}, "default": {}},
    ]}),
    "protobuf": """syntax = "proto3"; message T { string id = 1; string orderId = 2; optional string pan = 3;
        int32 n = 4; I inner = 5; repeated string tags = 6; S state = 7; W word = 8; map<string, int32> map = 9;
        enum S { OPEN = 0; PAID = 1; } enum W { open = 0; paid = 1; } message I { string id = 1; } }""",
}  # fmt: skip
SUFFIX = {"json": "json", "avro": "avsc", "protobuf": "proto"}


@pytest.fixture(params=FORMATS)
def contracts(request: pytest.FixtureRequest, tmp_path: Path) -> Contracts:
    (tmp_path / "T").mkdir()
    (tmp_path / "T" / f"1.{SUFFIX[request.param]}").write_text(CONTRACTS[request.param], encoding="utf-8")
    return Contracts.from_folder(tmp_path)


def delivered(contracts: Contracts | None, data: Any, model: Any = None) -> Any:
    """What a handler gets of what is published."""
    trail = Trail("s", contracts=contracts)
    got: list[Any] = []

    def handle(event: Any) -> None:
        got.append(event.data)

    if model is not None:
        handle.__annotations__["event"] = Event[model]
    trail.consumer("in")(handle)
    with Harness(trail) as flow:
        flow.deliver("in", data, type="T", version=None if contracts is None else 1)
        letters = [dict(each.headers)["dlq.error.message"] for each in flow.dead_letters()]
        assert letters == []
    (data,) = got
    return data


class Excluded(BaseModel):
    id: str = "1"
    pan: str = Field(default="4111", exclude=True)


class Serialized(BaseModel):
    id: str = "4111"

    @pydantic.field_serializer("id")
    def masked(self, value: str) -> str:
        return f"***{value[-1]}"


class Whole(BaseModel):
    id: str = "4111"

    @pydantic.model_serializer
    def masked(self) -> dict[str, str]:
        return {"id": "masked"}


class Computed(BaseModel):
    id: str = "1"

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def n(self) -> int:
        return 5


class Holder(BaseModel):
    inner: Excluded = Excluded()


class Wider(Excluded):
    n: int = 7


class Declared(BaseModel):
    inner: Excluded = Wider()


@pydantic.dataclasses.dataclass
class OfPydantic:
    id: str = "1"
    pan: str = Field(default="4111", exclude=True)


@dataclasses.dataclass
class Around:
    inner: Any


class Dumping(BaseModel):
    id: str = "1"
    pan: str = "4111"

    def model_dump(self, **settings: Any) -> dict[str, Any]:
        return super().model_dump(**{**settings, "exclude": {"pan"}})


WRITTEN: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "exclude": (Excluded(), {"id": "1"}),
    "field_serializer": (Serialized(), {"id": "***1"}),
    "model_serializer": (Whole(), {"id": "masked"}),
    "computed_field": (Computed(), {"id": "1", "n": 5}),
    "exclude in a model": (Holder(), {"inner": {"id": "1"}}),
    "a subclass in a field": (Declared(), {"inner": {"id": "1"}}),
    "exclude in a dataclass": (Around(Excluded()), {"inner": {"id": "1"}}),
    "exclude in a dict": ({"inner": Serialized()}, {"inner": {"id": "***1"}}),
    "dataclass of pydantic": (OfPydantic(), {"id": "1"}),
    "a dump of its own": (Dumping(), {"id": "1"}),
    "a root model in a dict": ({"tags": pydantic.RootModel[list[str]](["a"])}, {"tags": ["a"]}),
    "a model that is text": ({"id": pydantic.RootModel[str]("x")}, {"id": "x"}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_model_says_of_how_it_is_written_holds(name: str, contracts: Contracts) -> None:
    data, expected = WRITTEN[name]
    found = delivered(contracts, data)
    assert {key: found[key] for key in expected} == expected
    defaults = delivered(contracts, {})
    assert {key: found[key] for key in found if key not in expected} == {
        key: defaults[key] for key in defaults if key not in expected
    }
    assert delivered(None, data) == expected


class Rich(BaseModel):
    id: uuid.UUID = uuid.UUID(int=1)
    amount: Decimal = Decimal("1.50")
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_a_logical_type_needs_stays_what_it_is(tmp_path: Path) -> None:
    fields = [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ]
    (tmp_path / "T").mkdir()
    text = json.dumps({"type": "record", "name": "T", "fields": fields})
    (tmp_path / "T" / "1.avsc").write_text(text, encoding="utf-8")
    assert delivered(Contracts.from_folder(tmp_path), Rich(), Rich) == Rich()


class Alias(BaseModel):
    order: str = Field(default="a", alias="orderId")


class Generated(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: "orderId", populate_by_name=True)
    order: str = "a"


class WrittenAlias(BaseModel):
    order: str = Field(default="a", serialization_alias="orderId")


class Asymmetric(BaseModel):
    order: str = Field(default="a", serialization_alias="orderId", validation_alias=AliasChoices("o", "oid"))


class ByName(BaseModel):
    model_config = ConfigDict(serialize_by_alias=False)
    id: str = Field(default="a", alias="other")


class Inside(BaseModel):
    pan: str | None = None
    inner: WrittenAlias | None = None


@pydantic.dataclasses.dataclass
class AliasOfPydantic:
    order: str = Field(default="a", alias="orderId")


ALIASES: Mapping[str, tuple[Any, str]] = {
    "alias": (Alias(orderId="x"), "orderId"), "alias_generator": (Generated(order="x"), "orderId"),
    "serialization_alias": (WrittenAlias(order="x"), "orderId"), "both": (Asymmetric.model_validate({"o": "x"}), "orderId"),
    "serialize_by_alias=False": (ByName(other="x"), "id"),
    "dataclass of pydantic": (AliasOfPydantic(orderId="x"), "orderId"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIASES)
def test_a_model_with_aliases_reads_what_it_wrote(name: str, contracts: Contracts) -> None:
    value, key = ALIASES[name]
    assert delivered(contracts, value)[key] == "x"
    assert delivered(contracts, value, type(value)) == value
    assert delivered(None, value) == {key: "x"}
    assert delivered(None, value, type(value)) == value


@pytest.mark.parametrize("name", ALIASES)
def test_a_field_with_an_alias_is_read_by_its_name_as_well(name: str) -> None:
    value, _ = ALIASES[name]
    field = next(iter(type(value).__pydantic_fields__))
    assert delivered(None, {field: "x"}, type(value)) == value


def test_aliases_within_lists_are_read() -> None:
    written = {"list": [WrittenAlias(order="x")]}
    assert delivered(None, written, dict[str, list[WrittenAlias]]) == written


class Number(enum.Enum):
    OPEN = 0
    PAID = 1


class Word(enum.Enum):
    OPEN = "open"
    PAID = "paid"


class Swapped(enum.IntEnum):
    OPEN = 1
    PAID = 0


class Named(enum.StrEnum):
    OPEN = "OPEN"
    PAID = "PAID"


class Crossed(enum.Enum):
    OPEN = "PAID"
    PAID = "OPEN"


class Ambiguous(enum.Enum):
    PAID = "x"
    OTHER = "PAID"


def _model(field: str, kind: Any, form: str) -> Any:
    if form == "dataclass":
        return dataclasses.make_dataclass("Holds", [(field, kind)])
    return pydantic.create_model(
        "Holds", __config__=ConfigDict(strict=form == "strict"), **{field: (kind, ...)}
    )  # type: ignore[call-overload]


MEMBERS = [*((kind, "state") for kind in (Number, Word, Swapped, Named, Crossed)), (Word, "word")]


@pytest.mark.parametrize("form", ["model", "strict", "dataclass"])
@pytest.mark.parametrize(("kind", "field"), MEMBERS, ids=lambda each: getattr(each, "__name__", each))
def test_a_member_of_an_enumeration_is_read_back(
    kind: Any, field: str, form: str, contracts: Contracts
) -> None:
    model = _model(field, kind, form)
    for member in kind:
        value = model(**{field: member})
        assert getattr(delivered(contracts, value, model), field) is member


def test_a_name_that_is_the_value_of_another_is_refused(contracts: Contracts) -> None:
    if contracts.source.schema("T", 1).format == "json":  # type: ignore[union-attr]
        assert delivered(contracts, {"state": Ambiguous.PAID})["state"] == "x"
        return
    with pytest.raises(ContractError, match="state: its name, PAID, is the value of another"):
        contracts.pack("T", 1, {"state": Ambiguous.PAID})


def test_a_number_of_an_enumeration_fits_a_number(contracts: Contracts) -> None:
    model = _model("n", Number, "model")
    assert delivered(contracts, model(n=Number.PAID), model).n is Number.PAID


# -- keys that become one

COLLIDING = {
    "number": {1: 2, "1": 3}, "true": {True: 2, "true": 3}, "false": {False: 2, "false": 3}, "null": {None: 2, "null": 3},
    "float": {1.5: 2, "1.5": 3}, "large": {1e300: 2, "1e+300": 3}, "below zero": {-1: 2, "-1": 3},
    "enumeration": {Word.OPEN: 2, "open": 3},
}  # fmt: skip


@pytest.mark.parametrize("name", COLLIDING)
def test_two_keys_that_become_one_are_refused(name: str, contracts: Contracts) -> None:
    with pytest.raises(ContractError) as caught:
        contracts.pack("T", 1, {"map": COLLIDING[name]})
    assert "\n" not in str(caught.value)
    assert "map" in str(caught.value)


def test_keys_that_stay_apart_are_written(contracts: Contracts) -> None:
    data = {"1": 1, "true": 2, "null": 3, "1.5": 4, 'a"1': 5}
    assert delivered(contracts, {"map": data})["map"] == data
