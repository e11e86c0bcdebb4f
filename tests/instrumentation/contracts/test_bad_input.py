"""Bad input of every kind, in all formats: one line with the place on the command line, a dead letter in a handler."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Trail
from flowtrail.contracts import Contracts, RegistrySource
from flowtrail.contracts._formats import FORMATS
from flowtrail.testing import Harness
from flowtrail_collector.cli import main
from httpkit import Answer, Asked, as_json, serving
from waiting import scaled

FIELDS = (FieldKind("order_id", "text", 1), FieldKind("total", "whole", 2))
ORDER = {"order_id": "7", "total": 3}
LONG = "x" * 10_000_000
ID, UNKNOWN = 7, 99


def _avro(*fields: dict[str, Any], **more: Any) -> str:
    return json.dumps({"type": "record", "name": "A", "fields": list(fields), **more})


DOES_NOT_PARSE = {
    "avro": '{"type": "record",\n "name": }',
    "protobuf": 'syntax = "proto3";\nmessage A {\n  strin x = 1;\n}',
    "json": '{"type": "object",\n "properties": }',
}
UNKNOWN_LOGICAL_TYPE = {
    "avro": _avro({"name": "x", "type": {"type": "string", "logicalType": "nonsense"}}),
    "protobuf": 'syntax = "proto3"; import "google/protobuf/descriptor.proto"; message A { string x = 1 [(logical) = "nonsense"]; }'
    " extend google.protobuf.FieldOptions { string logical = 50000; }",
    "json": json.dumps({"type": "object", "properties": {"x": {"type": "string", "format": "nonsense"}}}),
}
RECURSIVE = {
    "avro": _avro({"name": "x", "type": "string"}, {"name": "next", "type": ["null", "A"], "default": None}),
    "protobuf": 'syntax = "proto3"; message A { string x = 1; A next = 2; }',
    "json": json.dumps({"type": "object", "properties": {"x": {"type": "string"}, "next": {"$ref": "#"}}}),
}
ENDLESS = {
    "avro": _avro({"name": "next", "type": "A"}),
    "protobuf": 'syntax = "proto2"; import "contract.proto"; message A { required A next = 1; }',
    "json": json.dumps({"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}}),
}
TEN_MEGABYTES = {
    "avro": _avro({"name": "x", "type": "string"}, doc=LONG),
    "protobuf": f'syntax = "proto3"; message A {{ string x = 1; }} // {LONG}',
    "json": json.dumps({"type": "object", "description": LONG}),
}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "says"),
    [(DOES_NOT_PARSE, r":[23]: \S"), (TEN_MEGABYTES, "characters are too many; a contract has at most")],
    ids=["does not parse", "ten megabytes"],
)
def test_the_command_says_in_one_line_which_file_and_what(
    dialect: Dialect, texts: Mapping[str, str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "good", dialect, "A", UNKNOWN_LOGICAL_TYPE[dialect.name])
    bad = write(tmp_path / "bad", dialect, "A", texts[dialect.name])
    for places in ((good, bad), (bad, good), (bad / "A" / f"1{dialect.suffix}",) * 2):
        assert main(["contracts", "check", *map(str, places)]) == 2
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert out == ""
        file = str(bad / "A" / f"1{dialect.suffix}")
        assert line.startswith(f"flowtrail: {file}")
        assert re.search(says, line.removeprefix(f"flowtrail: {file}"))
        assert len(line) < 600


@pytest.mark.parametrize(
    "texts", [UNKNOWN_LOGICAL_TYPE, RECURSIVE], ids=["an unknown logical type", "a recursive one"]
)
def test_the_command_takes_what_the_formats_take(
    dialect: Dialect, texts: Mapping[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(tmp_path, dialect, "A", texts[dialect.name]))
    assert main(["contracts", "check", folder, folder]) == 0
    assert capsys.readouterr().out == "compatible\n"


# -- in a handler


def registry(schemas: Mapping[str, Any]) -> Callable[[Asked], Answer]:
    """Answers as a registry that holds anything: a real one would have refused it."""

    def answer(asked: Asked) -> Answer:
        found = schemas.get(asked.path)
        return (
            as_json({"error_code": 40403, "message": "not found"}, 404) if found is None else as_json(found)
        )

    return answer


Holding = Callable[[Dialect, str], Contracts]


@pytest.fixture
def holding() -> Iterator[Holding]:
    """Contracts of a registry that has one schema under the id."""
    opened = ExitStack()

    def make(dialect: Dialect, text: str) -> Contracts:
        answers = {
            f"/schemas/ids/{ID}": {"schema": text, "schemaType": dialect.registry_type},
            f"/schemas/ids/{ID}/versions": [{"subject": "A", "version": 1}],
            "/subjects/A/versions": [1],
            "/subjects/A/versions/1": {
                "subject": "A", "version": 1, "id": ID, "schema": text, "schemaType": dialect.registry_type,
            },
        }  # fmt: skip
        url = opened.enter_context(serving(registry(answers)))
        return Contracts(opened.enter_context(closing(RegistrySource(url, timeout_seconds=scaled(10)))))

    with opened:
        yield make


def handled(contracts: Contracts, value: bytes, headers: Mapping[str, str]) -> tuple[list[Any], list[str]]:
    """What a handler gets, and the reasons of dead letters."""
    trail = Trail("billing", client="confluent", contracts=contracts)
    got: list[Any] = []
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: got.append(event.data))
    with Harness(trail) as harness:
        named = [("ce_type", "A"), *headers.items()]
        harness.deliver_raw("orders", value, headers=[(name, text.encode()) for name, text in named])
        harness.run()
        letters = [dict(letter.headers)["dlq.error.message"] or b"" for letter in harness.dead_letters()]
    return got, [letter.decode() for letter in letters]


def framed(dialect: Dialect, text: str, data: Any, id: int = ID) -> bytes:
    contract = FORMATS[dialect.name].parse("A/1", text, "A")
    return b"\x00" + id.to_bytes(4, "big") + contract.frame_prefix + contract.encode(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (DOES_NOT_PARSE, r"schema 7:[23]: \S"),
        (TEN_MEGABYTES, "schema 7: .* characters are too many; a contract has at most"),
    ],
    ids=["does not parse", "ten megabytes"],
)
def test_a_schema_that_cannot_be_used_is_a_dead_letter(
    dialect: Dialect, texts: Mapping[str, str], says: str, holding: Holding
) -> None:
    value = framed(dialect, UNKNOWN_LOGICAL_TYPE[dialect.name], {"x": "y"})
    got, (reason,) = handled(
        holding(dialect, texts[dialect.name]), value, {"content-type": dialect.content_type}
    )
    assert got == []
    assert re.search(says, reason)
    assert "\n" not in reason
    assert len(reason) < 600


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "data"),
    [(UNKNOWN_LOGICAL_TYPE, {"x": "y"}), (RECURSIVE, {"x": "y", "next": {"x": "z"}})],
    ids=["an unknown logical type", "a recursive one"],
)
def test_what_the_formats_take_is_read(
    dialect: Dialect, texts: Mapping[str, str], data: Any, holding: Holding
) -> None:
    text = texts[dialect.name]
    (got,), letters = handled(holding(dialect, text), framed(dialect, text, data), {})
    assert letters == []
    assert (got["x"], (got.get("next") or {}).get("x")) == ("y", data.get("next", {}).get("x"))


@pytest.mark.slow
def test_an_id_that_the_registry_does_not_know(dialect: Dialect, holding: Holding) -> None:
    text = dialect.text("A", FIELDS)
    value = framed(dialect, text, ORDER, UNKNOWN)
    for headers in ({}, {"content-type": dialect.content_type}):
        got, letters = handled(holding(dialect, text), value, headers)
        assert (got, letters) == ([], [f"the registry knows no schema of id {UNKNOWN}"])


@pytest.mark.slow
@pytest.mark.parametrize("with_id", [True, False], ids=["with an id", "by its content type"])
def test_payloads_that_are_cut_or_foreign(
    dialect: Dialect, with_id: bool, holding: Holding, tmp_path: Path
) -> None:
    text = dialect.text("A", FIELDS)
    if with_id:
        contracts = holding(dialect, text)
    else:
        contracts = Contracts.from_folder(write(tmp_path, dialect, "A", FIELDS))
    value = framed(dialect, text, ORDER)
    start = value[: 5 + len(FORMATS[dialect.name].parse("A/1", text, "A").frame_prefix)]
    body = value[len(start) :]
    headers = {"ce_dataschema": "A/1", "content-type": dialect.content_type}
    assert handled(contracts, start + body if with_id else body, headers) == ([ORDER], [])
    for bad in (body[:-1], body[:2], body + b"\xff", b"\xff" * 20, b"<html>", b"\x80"):
        got, (reason,) = handled(contracts, start + bad if with_id else bad, headers)
        assert got == []
        assert reason
        assert "\n" not in reason


def test_a_schema_without_an_end_is_refused(
    dialect: Dialect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Avro could never write such a thing, Protobuf can't import itself, and no data could be checked by the other."""
    folder = str(write(tmp_path, dialect, "A", ENDLESS[dialect.name]))
    assert main(["contracts", "check", folder, folder]) == 2
    assert capsys.readouterr().err.count("\n") == 1
