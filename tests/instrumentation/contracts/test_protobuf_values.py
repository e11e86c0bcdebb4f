"""Protobuf: names that Python's messages have too, nesting, times and numbers at their limits."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts import Contracts
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

PROTO3 = 'syntax = "proto3";\n'
METHODS = sorted(
    name for name in {*dir(struct_pb2.Struct), *dir(Message), *dir(object)} if re.fullmatch(r"\w+", name)
)
NAMES = sorted({*METHODS, "self", "kind", "message", "value", "None", "class", "_fields"})


def _parsed(text: str) -> Any:
    return FORMATS["protobuf"].parse("A/1", text, "A")


# The runtime takes 63 required fields.
PARTS = [NAMES[start : start + 60] for start in range(0, len(NAMES), 60)]


@pytest.mark.parametrize("names", PARTS, ids=range(len(PARTS)))
@pytest.mark.parametrize("label", ["", "optional ", "repeated ", "required "])
def test_a_field_may_be_named_like_anything_of_a_message(label: str, names: list[str]) -> None:
    fields = "".join(f"{label}int32 {name} = {at};" for at, name in enumerate(names, 1))
    language = "proto2" if label == "required " else "proto3"
    contract = _parsed(f'syntax = "{language}"; message A {{ {fields} optional A inner = 900; }}')
    data: dict[str, Any] = dict.fromkeys(names, [1] if label == "repeated " else 1)
    data["inner"] = dict(data)
    assert contract.broken_writing(data) == []
    assert contract.decode(contract.encode(data)) == data
    assert contract.adopted(data, contract) == data
    assert FORMATS["protobuf"].compare(contract, contract) == []
    if label == "required ":
        with pytest.raises(DecodeError, match="it lacks "):
            contract.decode(b"")


@pytest.mark.parametrize("name", METHODS)
def test_so_may_a_message_an_enum_and_a_value(name: str) -> None:
    contract = _parsed(
        f"{PROTO3} message A {{ message {name} {{ int32 x = 1; }} {name} a = 1; E{name} b = 2; }} "
        f"enum E{name} {{ zero = 0; {name} = 1; }}"
    )
    data = {"a": {"x": 3}, "b": name}
    assert contract.decode(contract.encode(data)) == data


NESTING = {
    "a message": ("A next = 1;", lambda inner: {"next": inner}),
    "a list": ("repeated A each = 1;", lambda inner: {"each": [inner]}),
    "a map": ("map<string, A> named = 1;", lambda inner: {"named": {"n": inner}}),
    "a struct": ("google.protobuf.Struct s = 1;", None),
    "a list of anything": ("google.protobuf.ListValue s = 1;", None),
}


@pytest.mark.parametrize("kind", NESTING)
def test_what_nests_too_deeply_to_be_read_is_not_written(kind: str) -> None:
    field, around = NESTING[kind]
    contract = _parsed(
        f'{PROTO3} import "google/protobuf/struct.proto"; message A {{ {field} int32 x = 9; }}'
    )
    refused = []
    for depth in (1, 20, 30, 31, 32, 33, 34, 48, 49, 50, 51, 98, 99, 100, 101, 102, 150, 300):
        data: Any = {} if around is not None or "struct" in kind else []
        for _ in range(depth):
            data = around(data) if around is not None else {"a": data} if "struct" in kind else [data]
        whole = data if around is not None else {"s": data}
        try:
            payload = contract.encode(whole)
        except BrokenError as error:
            refused.append(depth)
            assert "nested too deeply" in str(error) or "JSON can hold" in str(error)  # noqa: PT017
        else:
            assert contract.decode(payload)["next" if "message" in kind else field.split()[-3]]
    assert refused
    assert refused[0] > 30


def test_what_nests_too_deeply_says_so_to_the_reader() -> None:
    contract = _parsed(f"{PROTO3} message A {{ A next = 1; }}")
    payload = b""
    for _ in range(105):
        assert len(payload) < 2**14
        size = len(payload)
        length = bytes([size]) if size < 128 else bytes([0x80 | size & 0x7F, size >> 7])
        payload = b"\x0a" + length + payload
    with pytest.raises(DecodeError, match="doesn't fit A: nested too deeply"):
        contract.decode(payload)


SPECIAL = _parsed(
    f'{PROTO3} import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto"; '
    'import "google/protobuf/duration.proto"; message A { google.protobuf.Timestamp at = 1; '
    "google.protobuf.Duration span = 2; google.protobuf.Struct s = 3; google.protobuf.Value v = 4; A inner = 5; }"
)
ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
ODD = st.fixed_dictionaries(
    {},
    optional={
        "at": st.datetimes(timezones=ZONES)
        | st.builds(
            lambda at, zone: at.replace(tzinfo=zone), st.sampled_from([datetime.min, datetime.max]), ZONES
        ),
        "span": st.timedeltas() | st.sampled_from([timedelta.max, timedelta.min]),
        "s": st.dictionaries(st.text(max_size=2), JSON, max_size=3),
        "v": JSON,
    },
)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and not isinstance(one, bool):
        return math.isclose(one, other, rel_tol=0, abs_tol=0)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return bool(one == other)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(ODD)
def test_values_at_their_limits_are_read_as_they_were_written(data: dict[str, Any]) -> None:
    try:
        payload = SPECIAL.encode({"inner": data})
    except BrokenError:
        return
    read = SPECIAL.decode(payload).get("inner", {})
    assert _same(data, read)


@pytest.mark.parametrize(
    "bad",
    [
        {"at": timestamp_pb2.Timestamp(seconds=10**13)},
        {"at": timestamp_pb2.Timestamp(seconds=-(10**13))},
        {"span": duration_pb2.Duration(seconds=10**15)},
        {"v": struct_pb2.Value(number_value=math.nan)},
        {"s": struct_pb2.Struct(fields={"x": struct_pb2.Value(number_value=math.inf)})},
        {"s": {"x": math.nan}},
        {"s": {"x": 10**400}},
        {"v": 2**53 + 1},
        {"span": timedelta(days=3_652_501)},
    ],
)
def test_values_that_readers_could_not_take(bad: dict[str, Any]) -> None:
    with pytest.raises(BrokenError, match=r"inner\.(at|span|s|v)"):
        SPECIAL.encode({"inner": bad})
    good = {"at": datetime(2020, 1, 1, tzinfo=UTC), "v": timestamp_pb2.Timestamp.__name__}
    assert SPECIAL.decode(SPECIAL.encode({"inner": good}))["inner"] == good


ONLY = {
    **{f"{label}{kind}": (f"{label}{kind} note = 900;", value if label != "repeated " else [value])
       for kind, value in {
           "int32": -1, "sint64": 7, "fixed32": 7, "sfixed64": -7, "double": 0.5, "bool": True, "string": "x",
           "bytes": b"\xff", "A": {"a": 1}, "Kind": "two"}.items()
       for label in ("", "optional ", "repeated ")},
    "map": ("map<string, int32> note = 900;", {"k": 1}),
    "oneof": ("oneof one { string note = 900; }", "x"),
}  # fmt: skip


@pytest.mark.parametrize("inner", [False, True], ids=["", "in a message"])
@pytest.mark.parametrize("kind", ONLY)
def test_an_event_of_nothing_but_fields_that_are_not_known_is_read(
    kind: str, inner: bool, tmp_path: Path
) -> None:
    """As of a newer version, and as of one in which the field was not removed yet."""
    declared, value = ONLY[kind]
    enum = "enum Kind { one = 0; two = 2; }"
    with_it = f"{PROTO3} {enum} message A {{ int32 a = 1; A inner = 2; {declared} }}"
    files = {
        "both": {1: f"{PROTO3} {enum} message A {{ int32 a = 1; A inner = 2; }}", 2: with_it},
        "newest": {1: f"{PROTO3} message A {{ int32 a = 1; A inner = 2; }}"},
        "removed": {2: f'{PROTO3} message A {{ reserved 900; reserved "note"; int32 a = 1; A inner = 2; }}'},
    }
    known = {}
    for name, versions in files.items():
        for version, text in versions.items():
            path = tmp_path / name / "A" / f"{version}.proto"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        known[name] = Contracts.from_folder(tmp_path / name)
    packed = known["both"].pack("A", 2, {"inner": {"note": value}} if inner else {"note": value})
    assert packed is not None
    assert packed.value
    for name in ("newest", "removed"):
        unpacked = known[name].unpack("A", 2, packed.content_type, packed.value)
        assert unpacked is not None
        assert unpacked.data == ({"a": 0, "inner": {"a": 0}} if inner else {"a": 0})
        assert known[name].read("A", unpacked.version, unpacked.data, unpacked=True)[0] == unpacked.data


NULLS = {
    "Value x = 1;": None,
    "optional Value x = 1;": None,
    "oneof one { Value x = 1; string y = 2; }": None,
    "repeated Value x = 1;": [None, {"k": None}],
    "map<string, Value> x = 1;": {"k": None},
    "NullValue x = 1;": "NULL_VALUE",
    "optional NullValue x = 1;": "NULL_VALUE",
    "oneof one { NullValue x = 1; string y = 2; }": "NULL_VALUE",
    "repeated NullValue x = 1;": ["NULL_VALUE"],
    "map<string, NullValue> x = 1;": {"k": "NULL_VALUE"},
}


@pytest.mark.parametrize("field", NULLS)
def test_none_is_a_value_where_json_has_null(field: str) -> None:
    declared = re.sub(r"(Null)?Value(?= |>)", r"google.protobuf.\g<0>", field)
    contract = _parsed(f'{PROTO3} import "google/protobuf/struct.proto"; message A {{ {declared} }}')
    read = NULLS[field]
    given = [None, {"k": None}] if read == [None, {"k": None}] else [None] if isinstance(read, list) else read
    given = {"k": None} if isinstance(read, dict) else None if read == "NULL_VALUE" else given
    assert contract.decode(contract.encode({"x": given})) == {"x": read}
    assert contract.adopted({"x": given}, contract) == {"x": read}
    if "one" in field:
        with pytest.raises(BrokenError, match="only one of x, y may be set"):
            contract.encode({"x": None, "y": ""})


@dataclass
class Alternatives:
    x: Any = None
    y: str | None = None


def test_none_of_a_model_is_nothing() -> None:
    """It has no other way to leave a field out."""
    contract = _parsed(
        f'{PROTO3} import "google/protobuf/struct.proto"; '
        "message A { oneof one { google.protobuf.Value x = 1; string y = 2; } }"
    )
    assert contract.decode(contract.encode(Alternatives(y="b"))) == {"y": "b"}
    assert contract.decode(contract.encode(Alternatives())) == {}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("around", [lambda x: {"v": x}, lambda x: {"v": [x]}, lambda x: {"s": {"x": x}}])
def test_no_struct_holds_what_is_no_number_of_json(number: float, around: Any) -> None:
    with pytest.raises(BrokenError, match="NaN and infinities are no numbers of JSON"):
        SPECIAL.encode(around(number))


@pytest.mark.parametrize("text", [
    'import "confluent/type/decimal.proto"; message A { confluent.type.Decimal x = 1; }',
    'import "confluent/meta.proto"; message A { option (confluent.message_meta).doc = "an order"; int32 x = 1 [(confluent.field_meta) = { doc: "a", params: [{ key: "k", value: "v" }] }]; }',
])  # fmt: skip
def test_what_confluents_clients_have_built_in_is_built_in(text: str) -> None:
    contract = _parsed(f"{PROTO3} {text}")
    data = {"x": {"value": b"\x01", "precision": 9, "scale": 2} if "Decimal" in text else 7}
    assert contract.decode(contract.encode(data)) == data
    assert contract.references == []
