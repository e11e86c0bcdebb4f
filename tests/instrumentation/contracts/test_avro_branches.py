"""Data of a union is read on as the type that its bytes say, whatever else it looks like."""

import copy
import json
import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.read import SchemaResolutionError
from hypothesis import given
from hypothesis import strategies as st

from contractkit import record
from flowtrail.contracts import Contracts
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

AVRO = FORMATS["avro"]
KEYS = ("f", "k", "z")


def parsed(schema: Any) -> Any:
    return AVRO.parse("A/1", json.dumps(schema), "A")


def _record(name: str, *kinds: Any) -> Any:
    fields = [{"name": key, "type": kind} for key, kind in zip(KEYS, kinds, strict=False)]
    return {"type": "record", "name": name, "fields": fields}


def _enum(name: str) -> Any:
    return {"type": "enum", "name": name, "symbols": ["A", "B", "C"], "default": "A"}


# Each looks like some other, with what may stand in it: what is read tells which of them was written.
ALIKE: list[tuple[str, Any, st.SearchStrategy[Any]]] = [
    ("Card", _record("Card", "string"), st.fixed_dictionaries({"f": st.sampled_from("AB")})),
    ("Sepa", _record("Sepa", "string"), st.fixed_dictionaries({"f": st.sampled_from("AB")})),
    ("Empty", _record("Empty"), st.just({})),
    ("map", {"type": "map", "values": "string"}, st.dictionaries(st.sampled_from(KEYS), st.sampled_from("AB"))),
    ("Kind", _enum("Kind"), st.sampled_from("ABC")),
    ("Other", _enum("Other"), st.sampled_from("ABC")),
    ("string", "string", st.sampled_from(["A", "C", "é"])),
    ("bytes", "bytes", st.sampled_from([b"A", b"xy"])),
    ("Two", {"type": "fixed", "name": "Two", "size": 2}, st.just(b"xy")),
    ("int", "int", st.integers(-3, 3)),
    ("long", "long", st.integers(-3, 3)),
    ("array", {"type": "array", "items": ["null", _record("Item", "int"), _record("Same", "int")]},
     st.lists(st.none() | st.tuples(st.sampled_from(["Item", "Same"]), st.just({"f": 1})), max_size=3)),
    ("null", "null", st.none()),
]  # fmt: skip
AROUND = {
    "field": (lambda inner: inner, lambda value: value),
    "list": (lambda inner: {"type": "array", "items": inner}, lambda value: [value, value]),
    "map": (lambda inner: {"type": "map", "values": inner}, lambda value: {"f": value}),
    "record": (lambda inner: _record("Around", inner), lambda value: {"f": value}),
    "nullable": (lambda inner: ["null", _record("Around", inner)], lambda value: {"f": value}),
}


def grown(schema: Any, *, kind: Any = "string") -> Any:
    """A newer schema: each record has one field more, whose default is its own, and unions are in another order."""
    if isinstance(schema, list):
        return [grown(branch, kind=kind) for branch in reversed(schema)]
    if not isinstance(schema, dict):
        return schema
    new = {
        key: grown(part, kind=kind) if key in ("items", "values") else part for key, part in schema.items()
    }
    if schema["type"] == "record":
        new["fields"] = [{**part, "type": grown(part["type"], kind=kind)} for part in schema["fields"]]
        number = len(schema["fields"])
        new["fields"].append({"name": f"new{number}", "type": kind, "default": schema["name"]})
    return new


def retired(schema: Any) -> Any:
    """A newer schema whose enums lack a symbol."""
    text = json.dumps(schema).replace('["A", "B", "C"]', '["A", "B"]')
    return json.loads(text)


def retired_without_default(schema: Any) -> Any:
    """Likewise, and nothing stands in for the symbol."""
    return json.loads(json.dumps(retired(schema)).replace('["A", "B"], "default": "A"', '["A", "B"]'))


def unnamed(value: Any) -> Any:
    """Data without the names of branches."""
    if isinstance(value, tuple):
        return unnamed(value[1])
    if isinstance(value, list):
        return [unnamed(item) for item in value]
    return {key: unnamed(item) for key, item in value.items()} if isinstance(value, dict) else value


def resolved(old: Any, new: Any, payload: bytes) -> Any:
    before, after = fastavro.parse_schema(copy.deepcopy(old)), fastavro.parse_schema(copy.deepcopy(new))
    return fastavro.schemaless_reader(BytesIO(payload), before, after)


@st.composite
def written(draw: st.DrawFn) -> tuple[Any, Any]:
    """A schema around a union of what looks alike, and data with its branch named."""
    branches = draw(st.lists(st.sampled_from(ALIKE), min_size=2, max_size=5, unique_by=lambda each: each[0]))
    name, _, values = draw(st.sampled_from(branches))
    wrap, put = AROUND[draw(st.sampled_from(sorted(AROUND)))]
    return record(x=wrap([schema for _, schema, _ in branches])), {"x": put((name, draw(values)))}


def _is_alike(one: Any, other: Any) -> bool:
    """Whether data is equal, but for text and bytes: fastavro takes the first that it can be made to."""
    return json.dumps(one, default=bytes.decode, sort_keys=True) == json.dumps(
        other, default=bytes.decode, sort_keys=True
    )


@given(written(), st.sampled_from([grown, retired, lambda schema: retired(grown(schema))]))
def test_it_becomes_what_the_resolution_of_its_bytes_makes_of_it(case: tuple[Any, Any], change: Any) -> None:
    old, value = case
    new = change(old)
    before, after = parsed(old), parsed(new)
    payload = before.encode(value)
    data = before.decode(payload)
    assert _is_alike(data, unnamed(value))
    assert _is_alike(after.adopted(data, before), resolved(old, new, payload))
    assert data == unnamed(value)  # what was handed in stays as it is


@given(written())
def test_a_symbol_that_is_gone_is_read_as_nothing_else(case: tuple[Any, Any]) -> None:
    """An enum matches an enum of its name, and then the symbol is an error: "string" beside it isn't asked."""
    old, value = case
    new = retired_without_default(old)
    before, after = parsed(old), parsed(new)
    payload = before.encode(value)
    data = before.decode(payload)
    try:
        expected = resolved(old, new, payload)
    except SchemaResolutionError:
        with pytest.raises(DecodeError):
            after.adopted(data, before)
        assert any("backward" in change.breaks for change in AVRO.compare(before, after))
    else:
        assert _is_alike(after.adopted(data, before), expected)
    has_enum = "symbols" in json.dumps(old)
    assert {change.rule for change in AVRO.compare(before, after)} == (
        {"symbol-removed"} if has_enum else set()
    )


@given(written())
def test_it_stays_known_over_several_versions(case: tuple[Any, Any]) -> None:
    old, value = case
    new = grown(old)
    newest = retired(grown(new, kind=["null", "string", {"type": "map", "values": "string"}]))
    before, between, after = map(parsed, (old, new, newest))
    payload = before.encode(value)
    adopted = after.adopted(between.adopted(before.decode(payload), before), between)
    assert _is_alike(adopted, resolved(old, newest, payload))


@given(written())
def test_handlers_get_it_so_as_plain_data(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Any, Any]
) -> None:
    old, value = case
    versions = [old, grown(old), grown(grown(old))]
    folder = tmp_path_factory.mktemp("contracts") / "A"
    folder.mkdir()
    for number, schema in enumerate(versions, 1):
        (folder / f"{number}.avsc").write_text(json.dumps(schema))
        contracts = Contracts.from_folder(folder.parent)
        packed = contracts.pack("A", 1, value)
        assert packed is not None
        unpacked = contracts.unpack("A", 1, packed.content_type, packed.value)
        assert unpacked is not None
        data, version = contracts.read("A", unpacked.version, unpacked.data, unpacked=unpacked.fits)
        assert (type(data), version) == (dict, str(number))
        assert _is_alike(data, resolved(old, schema, packed.value))


@given(written())
def test_without_its_bytes_it_is_what_it_would_be_written_as(case: tuple[Any, Any]) -> None:
    """As after an upcaster: publishing it and reading it on gives the same."""
    old, value = case
    new = grown(old)
    before, after = parsed(old), parsed(new)
    data = unnamed(value)
    written_so = before.decode(before.encode(data))
    assert _is_alike(after.adopted(data, before), after.adopted(written_so, before))


@given(written())
def test_a_copy_of_it_is_plain_data(case: tuple[Any, Any]) -> None:
    old, value = case
    definition = parsed(old)
    read = definition.decode(definition.encode(value))
    for each in (pickle.loads(pickle.dumps(read)), copy.deepcopy(read), copy.copy(read)):
        assert type(each) is dict
        assert each == read


@pytest.mark.parametrize("beside", [[], ["string"], ["null", "string"]])
@pytest.mark.parametrize("last", [True, False])
def test_handlers_get_a_symbol_that_is_gone_in_the_version_that_had_it(
    tmp_path: Path, beside: list[str], last: bool
) -> None:
    """The verdict and the reading agree: no service is brought to a version that can't read it."""
    union = [*beside, _enum("Kind")] if last else [_enum("Kind"), *beside]
    old = record(x=union)
    new = retired_without_default(old)
    (tmp_path / "A").mkdir()
    for number, schema in enumerate([old, new], 1):
        (tmp_path / "A" / f"{number}.avsc").write_text(json.dumps(schema))
    (change,) = AVRO.compare(parsed(old), parsed(new))
    assert (change.rule, change.breaks) == ("symbol-removed", {"backward"})
    contracts = Contracts.from_folder(tmp_path)
    packed = contracts.pack("A", 1, {"x": ("Kind", "C")})
    assert packed is not None
    unpacked = contracts.unpack("A", 1, packed.content_type, packed.value)
    assert unpacked is not None
    assert contracts.read("A", 1, unpacked.data, unpacked=unpacked.fits) == ({"x": "C"}, "1")
    with pytest.raises(DecodeError, match="a symbol that Kind doesn't have"):
        parsed(new).adopted(unpacked.data, parsed(old))


# Named types go by their names, and no type is read as one that it isn't promoted to.
APART = [
    (_enum("Kind"), "string"), ("string", _enum("Kind")), (_enum("Kind"), _enum("Other")), ("string", "int"),
    ("long", "int"), ("double", "float"), ("int", "string"), ("bytes", {"type": "fixed", "name": "F", "size": 1}),
    (_record("Card", "string"), _record("Sepa", "string")), (_record("Card", "string"), {"type": "map", "values": "string"}),
    ({"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "G", "size": 1}),
]  # fmt: skip
VALUES_OF = {"enum": "A", "string": "A", "long": 1, "double": 0.5, "int": 1, "bytes": b"A", "fixed": b"A", "record": {"f": "A"}}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), APART)
@pytest.mark.parametrize("wrap", [lambda kind: kind, lambda kind: {"type": "array", "items": kind},
                                  lambda kind: [kind, "boolean"]], ids=["alone", "list", "union"])  # fmt: skip
def test_what_the_verdict_calls_unreadable_is_not_read(wrap: Any, old: Any, new: Any) -> None:
    schemas = record(x=wrap(old)), record(x=wrap(new))
    before, after = map(parsed, schemas)
    assert any("backward" in change.breaks for change in AVRO.compare(before, after))
    value = VALUES_OF[old if isinstance(old, str) else old["type"]]
    payload = before.encode({"x": [value] if wrap(0) == {"type": "array", "items": 0} else value})
    with pytest.raises(SchemaResolutionError):
        resolved(*schemas, payload)
    with pytest.raises(DecodeError):
        after.adopted(before.decode(payload), before)


def test_a_map_gets_no_defaults_of_a_record_beside_it() -> None:
    card = _record("Card", "string")
    card["fields"].append({"name": "cvc", "type": "string", "default": "none"})
    definition = parsed(record(x=[card, {"type": "map", "values": "string"}]))
    for value, expected in [
        ({}, {}),
        ({"iban": "7"}, {"iban": "7"}),
        (("Card", {"f": "4"}), {"f": "4", "cvc": "none"}),
    ]:
        assert definition.completed({"x": value}) == {"x": expected}
    lines = parsed(record(x=["null", {"type": "array", "items": card}]))
    assert lines.completed({"x": [{"f": "4"}]}) == {"x": [{"f": "4", "cvc": "none"}]}


def test_what_an_upcaster_changes_is_what_is_read_on(tmp_path: Path) -> None:
    old = record(x=[_record("Card", "string"), {"type": "map", "values": "string"}])
    (tmp_path / "A").mkdir()
    for number, schema in enumerate([old, old, grown(old)], 1):
        (tmp_path / "A" / f"{number}.avsc").write_text(json.dumps(schema))
    contracts = Contracts.from_folder(tmp_path)
    met = []

    @contracts.upcaster("A", 1, 2)
    def changed(data: Any) -> Any:
        met.append(type(data))
        data["x"] = {"iban": "7"}
        return data

    packed = contracts.pack("A", 1, {"x": ("Card", {"f": "4"})})
    assert packed is not None
    unpacked = contracts.unpack("A", 1, packed.content_type, packed.value)
    assert unpacked is not None
    read = contracts.read("A", unpacked.version, unpacked.data, unpacked=unpacked.fits)
    assert read == ({"x": {"iban": "7"}, "new1": "A"}, "3")
    assert met == [dict]


# -- numbers

PROMOTED = [("int", "float", 24), ("long", "float", 24), ("long", "double", 53), ("int", "double", 53)]
SHAPES = {
    "alone": lambda kind, wider: (kind, wider),
    "nullable": lambda kind, wider: (["null", kind], ["null", wider]),
    "beside it": lambda kind, wider: (["null", kind, wider], ["null", wider]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "wider", "bits"), PROMOTED)
def test_a_whole_number_keeps_its_digits_or_is_refused(kind: str, wider: str, bits: int, shape: str) -> None:
    old, new = SHAPES[shape](kind, wider)
    before, after = parsed(record(x=old)), parsed(record(x=new))
    largest = 31 if kind == "int" else 63
    edge = 2 ** min(bits, largest - 1)
    for number in (0, 7, edge, edge + 1, 2**largest - 1, -(2**largest)):
        data = before.decode(before.encode({"x": number}))
        if number == as_float(number, wider):
            read = after.adopted(data, before)["x"]
            assert (type(read), read) == (float, number)
        else:
            with pytest.raises(DecodeError, match=f"a whole number that {wider} can't hold exactly"):
                after.adopted(data, before)


def as_float(number: int, kind: str) -> Any:
    """The number once fastavro has written and read it."""
    schema, into = {"type": kind}, BytesIO()
    fastavro.schemaless_writer(into, schema, number)
    return fastavro.schemaless_reader(BytesIO(into.getvalue()), schema, None)
