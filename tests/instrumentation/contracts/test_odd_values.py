"""Whatever a program hands over, in every format: it is written and can be read, or refused in one line."""

import collections
import dataclasses
import enum
import fractions
import json
import pathlib
import types
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, Dialect, write
from flowtrail.contracts import Contracts
from flowtrail.errors import ContractError

pytestmark = pytest.mark.slow


class _Raises(Mapping[str, Any]):
    """A mapping that fails whenever it is asked."""

    def __getitem__(self, name: str) -> Any:
        raise ZeroDivisionError("secret")

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError("secret")

    def __len__(self) -> int:
        return 1


class _Uncomparable:
    """An object that fails at everything that is done with objects."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("secret")

    def __hash__(self) -> int:
        raise ZeroDivisionError("secret")

    def __str__(self) -> str:
        raise ZeroDivisionError("secret")


class _Dumps:
    """What looks like a model of pydantic, and fails."""

    def model_dump(self, mode: str = "python") -> Any:
        raise ZeroDivisionError("secret")

    @classmethod
    def model_validate(cls, data: Any) -> Any:
        raise ZeroDivisionError("secret")


@dataclasses.dataclass
class _Lacking:
    here: int
    gone: int = dataclasses.field(init=False)


class _Colour(enum.Enum):
    RED = "A"
    ODD = object()


class _Number(enum.IntEnum):
    ONE = 1


class _Text(enum.StrEnum):
    A = "A"


def _deep(depth: int, kind: type) -> Any:
    made: Any = kind()
    for _ in range(depth):
        made = {"a": made} if kind is dict else [made]
    return made


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
VALUES: dict[str, Any] = {
    "none": None, "true": True, "one": 1, "text": "A", "empty": "", "float": 1.5, "whole float": 4.0,
    "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "400 digits": 10**400, "5000 digits": 10**5000,
    "2**63": 2**63, "-(2**63)": -(2**63), "2**53+1": 2**53 + 1, "complex": 1j, "fraction": fractions.Fraction(1, 3),
    "decimal": Decimal("4.02"), "huge decimal": Decimal("1e999999"), "decimal nan": Decimal("nan"),
    "signalling nan": Decimal("snan"), "decimal inf": Decimal("inf"), "tiny decimal": Decimal("1e-999999"),
    "bytes": b"\x00\xff", "bytearray": bytearray(b"x"), "memoryview": memoryview(b"x"), "half a pair": "\ud800",
    "naive": datetime(2020, 1, 1), "aware": datetime(2020, 1, 1, tzinfo=UTC), "first": datetime.min.replace(tzinfo=UTC),
    "before the first": datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    "after the last": datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
    "date": date(2020, 1, 1), "time": time(1), "long": timedelta.max, "short": timedelta.min, "uuid": uuid.UUID(int=1),
    "enum": _Colour.RED, "odd enum": _Colour.ODD, "int enum": _Number.ONE, "text enum": _Text.A,
    "list": [1], "mixed": [1, "A", None], "itself": ITSELF, "tuple": (1, 1.0), "set": {1}, "frozenset": frozenset("ab"),
    "range": range(3), "deque": collections.deque([1]), "dict": {"a": 1}, "numbers for names": {1: 2}, "tuples": {(1,): 2},
    "a long name": {10**5000: 1}, "half a name": {"\ud800": 1}, "deep dict": _deep(120, dict), "deeper dict": _deep(900, dict),
    "deep list": _deep(120, list), "deepest list": _deep(5_000, list), "unhashable in a list": [{"a": set()}, {1}],
    "object": object(), "class": int, "function": len, "generator": (n for n in "ab"), "path": pathlib.PurePosixPath("/"),
    "namespace": types.SimpleNamespace(a=1), "raising": _Raises(), "uncomparable": _Uncomparable(), "dumping": _Dumps(),
    "lacking": _Lacking(1), "raising inside": {"a": [_Raises()]}, "uncomparable inside": [_Uncomparable()],
}  # fmt: skip

JSON_FIELDS: dict[str, Any] = {
    "any": {}, "number": {"type": "number", "multipleOf": 0.01}, "bounded": {"minimum": 0, "maximum": 10},
    "whole": {"type": "integer", "multipleOf": 3}, "text": {"type": "string", "pattern": "^A"},
    "moment": {"format": "date-time"}, "unique": {"type": "array", "uniqueItems": True}, "const": {"const": {"a": [1]}},
    "object": {"type": "object", "properties": {"a": {}}}, "choice": {"oneOf": [{"type": "number"}, {"enum": ["A", 1]}]},
    "names": {"propertyNames": {"maxLength": 3}, "patternProperties": {"^a": {"type": "integer"}}},
    "left": {"type": "array", "contains": {"const": 1}, "unevaluatedItems": {"type": "string"}},
}  # fmt: skip
AVRO_FIELDS: dict[str, Any] = {
    "text": "string", "whole": "int", "long": "long", "double": "double", "float": "float", "raw": "bytes", "flag": "boolean",
    "amount": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
    "moment": {"type": "long", "logicalType": "timestamp-millis"}, "day": {"type": "int", "logicalType": "date"},
    "id": {"type": "string", "logicalType": "uuid"}, "choice": {"type": "enum", "name": "C", "symbols": ["A", "B"]},
    "list": {"type": "array", "items": "long"}, "map": {"type": "map", "values": "string"}, "either": ["string", "long"],
    "next": "A",
}  # fmt: skip
PROTOBUF_FIELDS = {
    "text": "string", "whole": "int32", "long": "sint64", "double": "double", "single": "float", "raw": "bytes",
    "flag": "bool", "choice": "C", "list": "repeated int64", "map": "map<string, int32>", "next": "A", "each": "repeated A",
    "named": "map<int32, A>", "moment": "google.protobuf.Timestamp", "span": "google.protobuf.Duration",
    "struct": "google.protobuf.Struct", "value": "google.protobuf.Value", "values": "google.protobuf.ListValue",
    "wrapped": "google.protobuf.DoubleValue",
}  # fmt: skip


def _text(dialect: Dialect) -> str:
    if dialect.name == "json":
        return json.dumps({"type": "object", "properties": JSON_FIELDS})
    if dialect.name == "avro":
        fields = [
            {"name": name, "type": ["null", *(kind if isinstance(kind, list) else [kind])], "default": None}
            for name, kind in AVRO_FIELDS.items()
        ]
        return json.dumps({"type": "record", "name": "A", "fields": fields})
    lines = [f"  {kind} {name} = {at};" for at, (name, kind) in enumerate(PROTOBUF_FIELDS.items(), 1)]
    imports = [
        f'import "google/protobuf/{name}.proto";' for name in ("timestamp", "duration", "struct", "wrappers")
    ]
    return "\n".join(
        ['syntax = "proto3";', *imports, "enum C { Z = 0; A0 = 1; }", "message A {", *lines, "}"]
    )


FIELDS = {"json": JSON_FIELDS, "avro": AVRO_FIELDS, "protobuf": PROTOBUF_FIELDS}
BOTH = [(dialect, name) for dialect in DIALECTS.values() for name in FIELDS[dialect.name]]


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Contracts]:
    def made(dialect: Dialect) -> Contracts:
        folder: Path = tmp_path_factory.mktemp(dialect.name)
        return Contracts.from_folder(write(folder, dialect, "A", _text(dialect)))

    return {name: made(dialect) for name, dialect in DIALECTS.items()}


def _refused(use: Any) -> str | None:
    """The line that refuses data, None if it is taken; anything else that is raised fails the test."""
    try:
        use()
    except ContractError as error:
        (line,) = str(error).splitlines()
        assert "secret" not in line
        assert len(line) < 1_000
        return line
    return None


def _read(contracts: Contracts, packed: Any) -> None:
    unpacked = contracts.unpack("A", "1", packed.content_type, packed.value)
    data = json.loads(packed.value) if unpacked is None else unpacked.data
    contracts.read("A", "1", data, unpacked=unpacked is not None and unpacked.fits)


@pytest.mark.parametrize(("dialect", "field"), BOTH, ids=lambda value: getattr(value, "name", value))
def test_what_is_written_can_be_read_and_all_else_is_one_line(
    contracts: Mapping[str, Contracts], dialect: Dialect, field: str
) -> None:
    own = contracts[dialect.name]
    for name, value in VALUES.items():
        data = {field: value}
        packed: list[Any] = []
        refused = _refused(lambda data=data, packed=packed: packed.append(own.pack("A", 1, data)))
        # Both say the same, but for values that can be asked once.
        validated = _refused(lambda data=data: own.validate_publish("A", 1, data))
        assert name == "generator" or (validated is None) is (refused is None), name
        _refused(lambda data=data: own.pack("A", 1, data, "own"))
        _refused(lambda data=data: own.read("A", 1, data))
        if refused is None and dialect.name != "avro":
            _read(own, packed[0])


@pytest.mark.parametrize("value", [*VALUES])
def test_whole_payloads(contracts: Mapping[str, Contracts], value: str) -> None:
    for name, own in contracts.items():
        packed: list[Any] = []
        if _refused(lambda own=own, packed=packed: packed.append(own.pack("A", 1, VALUES[value]))) is None:
            assert name == "json" or packed
            if name != "avro":
                _read(own, packed[0])
