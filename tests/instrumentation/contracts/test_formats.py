"""What contracts promise, in each of the three formats; and what one of them makes of bytes that aren't its own."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pydantic
import pytest

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Event, Trail
from flowtrail.contracts import Contracts, FolderSource, compare
from flowtrail.contracts._formats import BY_SUFFIX, FORMATS
from flowtrail.errors import ConfigurationError, ContractError, EncodeError
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
