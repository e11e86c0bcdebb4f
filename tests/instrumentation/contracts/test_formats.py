"""What contracts promise, in each of the three formats; and what one of them makes of bytes that aren't its own."""

import dataclasses
import datetime as dt
import json
import logging
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydantic
import pytest

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Event, Trail
from flowtrail.contracts import Contracts, FolderSource, SchemaError, compare
from flowtrail.contracts._formats import BY_SUFFIX, FORMATS
from flowtrail.errors import ConfigurationError, ContractError, DecodeError, EncodeError
from flowtrail.testing import Harness
from flowtrail_collector.cli._app import run

ORDER_ID = FieldKind("order_id", "text", 1)
TOTAL = FieldKind("total", "whole", 2)
NOTE = FieldKind("note", "text", 3, deprecated=True, remove_after="2030-01-01")
CURRENCY = FieldKind("currency", "text", 4, default=("",))
CENTS = FieldKind("total_cents", "whole", 5)
BUYER = FieldKind("buyer", (FieldKind("name", "text", 1),), 6)
V1 = (ORDER_ID, TOTAL, NOTE)
V2 = (ORDER_ID, CENTS, CURRENCY)
PLAIN = {"order_id": "7", "total": 3}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def contracts(tmp_path: Path, dialect: Dialect) -> Contracts:
    made = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1, V2))

    @made.upcaster("OrderPlaced", 1, 2)
    def cents(data: Any) -> Any:
        return {"order_id": data["order_id"], "total_cents": data["total"] * 100}

    return made


@dataclasses.dataclass
class Order:
    order_id: str
    total: int


class Model(pydantic.BaseModel):
    order_id: str
    total: int


def handled(contracts: Contracts, published: Any, model: Any = None, **settings: Any) -> list[Any]:
    """What a handler gets of what a publisher said, through a trail with its codec."""
    trail = Trail("billing", client="confluent", contracts=contracts, **settings)
    got: list[Any] = []

    def handle(event: Any) -> None:
        got.append(event.data)

    handle.__annotations__["event"] = Event if model is None else Event[model]
    trail.consumer("orders", group="g", dead_letter=True)(handle)
    with Harness(trail) as harness:
        trail.publish("orders", published, type="OrderPlaced", version=1)
        harness.run()
    return got


@pytest.mark.parametrize(
    "value", [PLAIN, Order("7", 3), Model(order_id="7", total=3)], ids=["dict", "dataclass", "model"]
)
def test_what_goes_out_comes_in_upcast_and_complete(contracts: Contracts, value: Any) -> None:
    assert handled(contracts, value) == [{"order_id": "7", "total_cents": 300, "currency": ""}]


@pytest.mark.parametrize("model", [Order, Model])
def test_handlers_get_the_model_they_ask_for(tmp_path: Path, dialect: Dialect, model: Any) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1))
    (got,) = handled(contracts, PLAIN, model)
    assert got == model(order_id="7", total=3)


def test_violations_name_field_and_rule_and_no_value(contracts: Contracts) -> None:
    with pytest.raises(ContractError) as caught:
        contracts.pack("OrderPlaced", 1, {"order_id": 98765, "total": "secret", "note": 5, "extra": "secret"})
    lines = sorted(line.partition(":")[0] for line in caught.value.violations)
    assert lines == ["extra", "note", "order_id", "total"]
    assert "secret" not in str(caught.value)
    assert "98765" not in str(caught.value)


def test_a_nested_violation_is_named_by_its_path(tmp_path: Path, dialect: Dialect) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "A", (BUYER,)))
    with pytest.raises(ContractError, match=r"buyer\.name: type should be string"):
        contracts.pack("A", 1, {"buyer": {"name": 5}})
    with pytest.raises(ContractError, match=r"buyer\.odd: .*not in the contract"):
        contracts.pack("A", 1, {"buyer": {"name": "x", "odd": 5}})


def test_compatible_versions_need_no_upcaster(tmp_path: Path, dialect: Dialect) -> None:
    folder = write(tmp_path, dialect, "OrderPlaced", V1, (*V1, CURRENCY))
    assert handled(Contracts.from_folder(folder), PLAIN)[0]["currency"] == ""
    stays = Contracts.from_folder(folder, read_as={"OrderPlaced": 1})
    assert "currency" not in handled(stays, PLAIN)[0]


def test_reading_keeps_what_upcasters_add(tmp_path: Path, dialect: Dialect) -> None:
    contracts = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1, V2))

    @contracts.upcaster("OrderPlaced", 1, 2)
    def more(data: Any) -> Any:
        return {"order_id": data["order_id"], "total_cents": 5, "later": True}

    assert contracts.read("OrderPlaced", 1, PLAIN) == (
        {"order_id": "7", "total_cents": 5, "later": True, "currency": ""}, "2",
    )  # fmt: skip


def test_deprecations_are_told(tmp_path: Path, dialect: Dialect) -> None:
    told: list[Any] = []
    contracts = Contracts.from_folder(write(tmp_path, dialect, "OrderPlaced", V1), on_deprecation=told.append)
    contracts.pack("OrderPlaced", 1, {**PLAIN, "note": "x"})
    contracts.pack("OrderPlaced", 1, PLAIN)
    assert [(use.field, use.side) for use in told] == [("note", "publish")]
    whole = write(tmp_path / "whole", dialect, "A", dialect.text("A", (ORDER_ID,), deprecated=True))
    contracts = Contracts.from_folder(whole, on_deprecation=told.append)
    contracts.pack("A", 1, {"order_id": "7"})
    assert told[-1].field is None


def test_the_rules_are_the_same(dialect: Dialect) -> None:
    today = dt.date(2026, 1, 1)

    def rules(old: tuple[FieldKind, ...], new: tuple[FieldKind, ...]) -> set[str]:
        format = FORMATS[dialect.name]
        before, after = (format.parse(name, dialect.text("A", fields), "A") for name, fields in
                         (("old", old), ("new", new)))  # fmt: skip
        found = {f"{change.field}: {change.rule}" for change in compare(before, after, today=today)}
        return {line for line in found if "number-not-reserved" not in line}

    plain = (ORDER_ID, TOTAL)
    assert rules(plain, (*plain, CURRENCY)) == set()
    assert rules((*plain, CURRENCY), plain) == {"currency: removed-without-deprecation"}
    assert rules(V1, plain) == {"note: deprecation-period-not-over"}
    over = dataclasses.replace(NOTE, remove_after="2020-01-01")
    assert rules((*plain, over), plain) == set()
    assert rules(plain, (ORDER_ID, dataclasses.replace(TOTAL, kind="text"))) == {"total: changed: type"}
    assert rules(
        (BUYER,), (dataclasses.replace(BUYER, kind=(dataclasses.replace(TOTAL, name="name", number=1),)),)
    ) == {"buyer.name: changed: type"}


def test_metrics_name_versions_and_violations(contracts: Contracts) -> None:
    trail = Trail("billing", client="confluent", contracts=contracts)
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: event.data)
    with Harness(trail) as harness:
        trail.publish("orders", PLAIN, type="OrderPlaced", version=1)
        with pytest.raises(ContractError):
            trail.publish("orders", {"order_id": 5}, type="OrderPlaced", version=1)
        harness.run()
        for side in ("publish", "consume"):
            named = {"type": "OrderPlaced", "version": "1", "side": side}
            assert harness.metric("flowtrail_schema_versions_total", **named) == 1, side
        assert harness.metric("flowtrail_contract_violations_total", side="publish") == 1


def test_the_content_type_says_what_the_payload_is(contracts: Contracts, dialect: Dialect) -> None:
    packed = contracts.pack("OrderPlaced", 1, PLAIN)
    assert (packed.content_type if packed else "application/json") == dialect.content_type


def test_a_codec_of_another_format_is_refused(contracts: Contracts, dialect: Dialect) -> None:
    other = {"json": "avro", "avro": "protobuf", "protobuf": "avro"}[dialect.name]
    with pytest.raises(EncodeError, match=f"contract in {dialect.name}, and the codec is {other}"):
        contracts.pack("OrderPlaced", 1, PLAIN, other)
    with pytest.raises(EncodeError, match="no contract"):
        contracts.pack("SomethingElse", 1, PLAIN, "avro")


def test_topics_have_codecs_of_their_own(tmp_path: Path) -> None:
    folder = write(tmp_path, DIALECTS["avro"], "OrderPlaced", V1)
    contracts = Contracts.from_folder(write(folder, DIALECTS["protobuf"], "Paid", V1))
    trail = Trail(
        "billing", client="confluent", contracts=contracts, codec={"orders": "avro", "*": "protobuf"}
    )
    with Harness(trail) as harness:
        trail.publish("orders", PLAIN, type="OrderPlaced", version=1)
        trail.publish("payments", PLAIN, type="Paid", version=1)
        with pytest.raises(EncodeError, match="the codec is protobuf"):
            trail.publish("payments", PLAIN, type="OrderPlaced", version=1)
        assert [event.data["order_id"] for event in harness.published()] == ["7", "7"]
    with pytest.raises(ConfigurationError, match="one of json, avro, protobuf"):
        Trail("billing", codec="xml")


def test_ids_need_a_registry(tmp_path: Path, dialect: Dialect) -> None:
    folder = write(tmp_path, dialect, "A", V1)
    with pytest.raises(ConfigurationError, match="from_registry"):
        Contracts.from_folder(folder, framing="confluent")
    with pytest.raises(ConfigurationError, match="'confluent' or 'cloudevents'"):
        Contracts.from_folder(folder, framing="other")


# -- bad input

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
    if packed is not None:
        unpacked = contracts.unpack("A", "1", packed.content_type, packed.value)
        assert unpacked is not None
        assert unpacked.data["next"]["n"] == 2
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
    assert all("not " in dict(letter.headers)["dlq.error.message"].decode() for letter in letters)


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
    packed = contracts.pack("A", 1, PLAIN)
    if packed is None:
        return
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


def test_a_version_changed_in_place_where_bytes_do_not_say_which(tmp_path: Path, dialect: Dialect) -> None:
    from flowtrail.contracts import compare_sources

    old = FolderSource(write(tmp_path / "old", dialect, "A", (ORDER_ID,)))
    new = FolderSource(write(tmp_path / "new", dialect, "A", (ORDER_ID, CURRENCY)))
    rules = [finding.change.rule for finding in compare_sources(old, new) if finding.breaking]
    assert rules == (["written-differently"] if dialect.name == "avro" else [])


def test_the_command_names_field_rule_and_versions(
    tmp_path: Path, dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    other = (ORDER_ID, dataclasses.replace(TOTAL, kind="text"))
    old = write(tmp_path / "old", dialect, "A", (ORDER_ID, TOTAL))
    new = write(tmp_path / "new", dialect, "A", other)
    assert run(["contracts", "check", str(old), str(new)]) == 1
    assert "breaks: A 1 -> 1: total: changed: type (type was " in capsys.readouterr().out
    files = [str(folder / "A" / f"1{dialect.suffix}") for folder in (old, new)]
    assert run(["contracts", "check", *files, "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["field"], finding["rule"], finding["breaks"]) == (
        "total",
        "changed: type",
        ["backward", "forward"],
    )
    broken = write(tmp_path / "broken", dialect, "A", next(iter(dialect.broken.values())))
    assert run(["contracts", "check", str(old), str(broken)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(broken) in said


def test_every_format_has_a_dialect() -> None:
    assert {format.suffix for format in BY_SUFFIX.values()} == {
        dialect.suffix for dialect in DIALECTS.values()
    }
