"""Contracts and payloads that can't be used: one line, or a dead letter with the reason; never a hang."""

import json
import logging
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Trail
from flowtrail.contracts import Contracts, FolderSource, SchemaError, compare
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import ContractError, DecodeError
from flowtrail.testing import Harness
from waiting import scaled

ORDER_ID = FieldKind("order_id", "text", 1)
TOTAL = FieldKind("total", "whole", 2)
NOTE = FieldKind("note", "text", 3, deprecated=True)
BUYER = FieldKind("buyer", (FieldKind("name", "text", 1),), 6)
V1 = (ORDER_ID, TOTAL, NOTE)
PLAIN = {"order_id": "7", "total": 3}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


BROKEN = [(dialect, name) for dialect in DIALECTS.values() for name in dialect.broken]


@pytest.mark.parametrize(
    ("dialect", "name"), BROKEN, ids=lambda value: value if isinstance(value, str) else value.name
)
def test_a_contract_that_cannot_be_used_is_one_line_with_its_place(
    tmp_path: Path, dialect: Dialect, name: str
) -> None:
    folder = write(tmp_path, dialect, "A", dialect.broken[name])
    with pytest.raises(SchemaError) as caught:
        FolderSource(folder)
    said = str(caught.value)
    assert said.startswith(str(folder / "A" / f"1{dialect.suffix}"))
    assert "\n" not in said


@pytest.mark.slow
@pytest.mark.parametrize("text", ["{" * 100_000, "[" * 100_000, '{"type":' * 50_000, "message A {" * 20_000,
                                  " " * 10_000_000, "x" * 10_000_000, '"' + "a" * 1_000_000, "\x00", "\ud7ff" * 9,
                                  '{"a":' * 900 + "1" + "}" * 900], ids=range(10))  # fmt: skip
def test_no_text_is_too_odd_or_too_long(dialect: Dialect, tmp_path: Path, text: str) -> None:
    folder = write(tmp_path, dialect, "A", text)
    with suppress(SchemaError):  # which of them a format takes is its own affair
        FolderSource(folder)


RECURSIVE = {
    "avro": json.dumps({"type": "record", "name": "A", "fields": [
        {"name": "next", "type": ["null", "A"], "default": None}, {"name": "n", "type": "int", "default": 0}]}),
    "protobuf": 'syntax = "proto3"; message A { A next = 1; int32 n = 2; }',
    "json": json.dumps({"properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}}),
}  # fmt: skip


def test_a_contract_may_hold_itself_but_no_data_ends_the_process(dialect: Dialect, tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "A", RECURSIVE[dialect.name]))
    shallow: Any = {"n": 1, "next": {"n": 2}}
    packed = contracts.pack("A", 1, shallow)
    assert packed is not None
    unpacked = contracts.unpack("A", "1", packed.content_type, packed.value)
    data = json.loads(packed.value) if unpacked is None else unpacked.data
    assert data["next"]["n"] == 2
    deep: Any = {"n": 1}
    for _ in range(5_000):
        deep = {"n": 1, "next": deep}
    with pytest.raises(ContractError, match="nested too deeply"):
        contracts.pack("A", 1, deep)
    if dialect.name != "json":
        nested = b"\x02" * 200_000 if dialect.name == "avro" else _nested_messages(5_000)
        with pytest.raises(DecodeError):
            contracts.unpack("A", "1", dialect.content_type, nested)


def _nested_messages(depth: int) -> bytes:
    made = b""
    for _ in range(depth):
        size, length = len(made), bytearray()
        while size > 0x7F:
            length.append(0x80 | size & 0x7F)
            size >>= 7
        made = b"\x0a" + bytes([*length, size]) + made
    return made


def test_cut_and_foreign_bytes_are_dead_letters_with_the_reason(dialect: Dialect, tmp_path: Path) -> None:
    if dialect.name == "json":
        pytest.skip("JSON is the codec's")
    contracts = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1))
    packed = contracts.pack("OrderPlaced", 1, {**PLAIN, "note": "hello"})
    assert packed is not None
    trail = Trail("billing", client="confluent", contracts=contracts)
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: event.data)
    headers = [("ce_type", b"OrderPlaced"), ("ce_dataschema", b"OrderPlaced/1"),
               ("content-type", dialect.content_type.encode())]  # fmt: skip
    cut = [packed.value[:-1], packed.value[:2], packed.value + b"\xff", b"\xff" * 20, b"{}"]
    with Harness(trail) as harness:
        for value in cut:
            harness.deliver_raw("orders", value, headers=headers)
        harness.run()
        letters = harness.dead_letters()
    assert len(letters) == len(cut)
    said = [dict(letter.headers)["dlq.error.message"].decode() for letter in letters]
    assert all("not " in text or "doesn't fit " in text for text in said), said


def doubling(dialect: Dialect, count: int, kind: str) -> str:
    """A contract whose types each hold the one before twice: 2 ** count ways lead to the first."""
    numbers = range(1, count)
    if dialect.name == "protobuf":
        types = "".join(f"message R{n} {{ R{n - 1} a = 1; R{n - 1} b = 2; }}" for n in numbers)
        plain = {"text": "string", "whole": "int64"}[kind]
        return (
            f'syntax = "proto3"; message A {{ R{count - 1} r = 1; }} message R0 {{ {plain} x = 1; }} {types}'
        )
    if dialect.name == "avro":
        first = {"type": "record", "name": "R0", "fields": [
            {"name": "x", "type": {"text": "string", "whole": "long"}[kind]}]}  # fmt: skip
        others = [{"type": "record", "name": f"R{n}", "fields": [
            {"name": name, "type": f"R{n - 1}"} for name in "ab"]} for n in numbers]  # fmt: skip
        fields = [{"name": f"f{n}", "type": part} for n, part in enumerate([first, *others])]
        return json.dumps({"type": "record", "name": "A", "fields": fields})
    kinds: dict[str, Any] = {
        "R0": {"properties": {"x": {"type": {"text": "string", "whole": "integer"}[kind]}}}
    }
    for n in numbers:
        before = {"$ref": f"#/$defs/R{n - 1}"}
        kinds[f"R{n}"] = {"properties": {"a": before, "b": {"anyOf": [before, before]}}}
    return json.dumps({"$defs": kinds, "properties": {"r": {"$ref": f"#/$defs/R{count - 1}"}}})


@pytest.mark.slow
@pytest.mark.parametrize("count", [30, 300, 1000])
def test_types_that_hold_each_other_twice_take_no_time(dialect: Dialect, count: int) -> None:
    started = time.process_time()
    with suppress(SchemaError):  # nested too deeply
        old, new = (
            FORMATS[dialect.name].parse(kind, doubling(dialect, count, kind), "A")
            for kind in ("text", "whole")
        )
        assert compare(old, new)
        assert compare(old, old) == [] or count > 100
        assert old.deprecated_fields == ()
    assert time.process_time() - started < scaled(30)


def test_no_bytes_make_it_raise_anything_else(dialect: Dialect, tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "A", (ORDER_ID, TOTAL, BUYER)))
    recursive = Contracts.from_folder(write(tmp_path / "r", dialect, "A", RECURSIVE[dialect.name]))
    chance = random.Random(7)
    for _ in range(2_000):
        value = chance.randbytes(chance.randrange(40))
        for one in (contracts, recursive):
            with suppress(DecodeError):
                one.unpack("A", "1", dialect.content_type, value)


def test_an_unknown_version_of_a_binary_format(dialect: Dialect, tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "A", V1))
    if dialect.name == "json":
        pytest.skip("JSON names its fields")
    packed = contracts.pack("A", 1, PLAIN)
    assert packed is not None
    if dialect.name == "avro":
        with pytest.raises(DecodeError, match="A/9: this contract isn't here"):
            contracts.unpack("A", "9", packed.content_type, packed.value)
    else:
        newer = contracts.unpack("A", "9", packed.content_type, packed.value)
        assert newer is not None
        assert newer.data["order_id"] == "7"
    with pytest.raises(DecodeError, match="names no version"):
        contracts.unpack("A", None, packed.content_type, packed.value)


@pytest.mark.parametrize("logical", ["nonsense", "timestamp-millis"])
def test_a_logical_type_that_does_not_fit_is_read_as_what_it_stands_on(
    tmp_path: Path, logical: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As the specification has it; and it is said once, where it stands."""
    fields = [{"name": "x", "type": {"type": "string", "logicalType": logical}}]
    text = json.dumps({"type": "record", "name": "A", "fields": fields})
    with caplog.at_level(logging.WARNING, "flowtrail.contracts"):
        contracts = Contracts.from_folder(write(tmp_path, DIALECTS["avro"], "A", text))
    assert [record.getMessage().partition(": x: ")[2][:13] for record in caplog.records] == ["logical type "]
    packed = contracts.pack("A", 1, {"x": "y"})
    assert packed is not None


PROTO2 = """syntax = "proto2"; message A { required string id = 1; optional Inner inner = 2; optional int64 total = 3;
    message Inner { optional string name = 1; } }"""
# Of foreign bytes, what Protobuf can tell, and what it can't; `id` is there each time.
CLASHES = {
    "no message": b"\x0a\x017\x07", "a field of number 0": b"\x0a\x017\x00\x00", "it ends too early": b"\x0a\x017\x12\x7f",
    "a group that nobody opened": b"\x0a\x017\x0c", "a message within that is none": b"\x0a\x017\x12\x02\x0a\x7f",
    "a number of 11 bytes": b"\x0a\x017\x18" + b"\xff" * 10 + b"\x01", "something required is missing": b"\x18\x07",
}  # fmt: skip
FITS = {
    "a number that isn't declared": (b"\x0a\x017\x20\x07", {"id": "7"}),
    "another type on the wire": (b"\x0a\x017\x1a\x01x", {"id": "7"}),
    "another type of the same wire": (b"\x0a\x017\x18\x01", {"id": "7", "total": 1}),
    "a text that is a message": (b"\x0a\x017\x12\x03\x0a\x01x", {"id": "7", "inner": {"name": "x"}}),
}  # fmt: skip


def test_what_protobuf_can_tell_of_a_foreign_payload(tmp_path: Path) -> None:
    """Bytes that clash are no payload; whatever else reads as data, with what doesn't fit left out."""
    contracts = Contracts.from_folder(write(tmp_path, DIALECTS["protobuf"], "A", PROTO2))
    for value in CLASHES.values():
        with pytest.raises(DecodeError, match=r"^doesn't fit A: "):
            contracts.unpack("A", "1", DIALECTS["protobuf"].content_type, value)
    for name, (value, data) in FITS.items():
        unpacked = contracts.unpack("A", "1", DIALECTS["protobuf"].content_type, value)
        assert unpacked is not None
        assert unpacked.data == data, name
    proto3 = FORMATS["protobuf"].parse("A/1", 'syntax = "proto3"; message A { string id = 1; }', "A")
    with pytest.raises(DecodeError):
        proto3.decode(b"\x0a\x02\xff\xfe")


TWICE: dict[str, tuple[str, str]] = {
    "at the top": ('{\n"type": "object",\n"type": "object"}', ":3: 'type' stands in line 2 already"),
    "within": (
        '{"type": "object", "properties": {\n"a": {}, "b": {}, "a": {"type": "string"}}}',
        ":2: 'a' stands in line 2",
    ),
    "written otherwise": (
        '{"properties": {"caf\\u00e9": {},\n"caf\u00e9": {}}}',
        ":2: 'caf\u00e9' stands in line 1",
    ),
    "in a list": ('{"enum": [{"a": 1,\n\n"a": 1}]}', ":3: 'a' stands in line 1"),
    "with a comma in it": ('{"a,{": 1, "b": "a,{",\n"a,{": 2}', ":2: 'a,{' stands in line 1"),
    "with strokes in it": (r'{"\\": 1, "\"": 2, "\\": 3}', ":1: "),
}
ONCE = [
    '{"properties": {"a": {"properties": {"a": {}}}}, "required": ["a", "a:", "b"]}',
    '{"default": "{\\"a\\":1,\\"a\\":2}"}',
]


@pytest.mark.parametrize("suffix", ["json", "avsc"])
@pytest.mark.parametrize("case", TWICE)
def test_a_key_that_stands_twice_is_told_with_its_line(case: str, suffix: str, tmp_path: Path) -> None:
    text, said = TWICE[case]
    file = tmp_path / "A" / f"1.{suffix}"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        FolderSource(tmp_path)
    assert str(caught.value).startswith(f"{file}{said}")
    assert str(caught.value).endswith("in the same object: leave one out")


@pytest.mark.parametrize("text", ONCE)
def test_a_key_of_two_objects_is_no_fault(text: str, tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "1.json").write_text(text, encoding="utf-8")
    assert FolderSource(tmp_path).types() == ["A"]


def test_a_shared_text_is_held_to_one_value_per_key(tmp_path: Path) -> None:
    for name, text in {
        "A/1.avsc": '{"type": "record", "name": "A", "fields": [{"name": "m", "type": "shop.M"}]}',
        "_shared/shop.M.avsc": '{"type": "fixed", "name": "shop.M",\n"size": 4, "size": 8}',
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError, match=r"shop\.M\.avsc:2: 'size' stands in line 2 already"):
        FolderSource(tmp_path)


ELSEWHERE = {
    "an anchor": {"properties": {"p": {"$ref": "#money"}}, "$defs": {"m": {"$anchor": "money"}}},
    "a dynamic anchor": {"properties": {"p": {"$dynamicRef": "#node"}}, "$defs": {"m": {"$dynamicAnchor": "node"}}},
    "a relative address": {"properties": {"p": {"$ref": "money"}}, "$defs": {"m": {"$id": "money"}}},
    "its own address": {"$id": "https://x.example/s", "properties": {"p": {"$ref": "https://x.example/s#/$defs/m"}}, "$defs": {"m": {}}},
    "from an id within": {"properties": {"p": {"$id": "money", "$ref": "#/$defs/m"}}, "$defs": {"m": {}}},
}  # fmt: skip


@pytest.mark.parametrize("case", ELSEWHERE)
def test_references_that_are_not_followed_are_told_at_load(case: str) -> None:
    with pytest.raises(SchemaError, match=r"^A/1: \$ref '[^']+'.*(follow|leave out)") as caught:
        FORMATS["json"].parse("A/1", json.dumps({"type": "object", **ELSEWHERE[case]}))
    assert "\n" not in str(caught.value)
