"""Arguments of another kind than a command takes, of all that read contracts and documents: one line that helps."""

from __future__ import annotations

import json
from itertools import product
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from flowtrail_collector.cli import main
from servers import free_port
from trailkit.web import served

CONTRACT = json.dumps({"type": "object", "properties": {"id": {"type": "string"}}})
FOLDER, FILE, TYPE = "contracts", "contracts/OrderPlaced/1.json", "contracts/OrderPlaced"
DOCUMENT, AVRO, OTHER = "shop.yaml", "contracts/OrderPlaced/2.avsc", "notes.txt"


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A folder to work in, with one thing of each kind."""
    for name, text in {
        FILE: CONTRACT, f"new/OrderPlaced/{1}.json": CONTRACT, "alone/Other/1.json": CONTRACT,
        AVRO: '{"type": "record", "name": "OrderPlaced", "fields": []}', OTHER: "Hello.",
        DOCUMENT: "asyncapi: 3.0.0\ninfo: {title: shop}\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys, *arguments):
    """Exit code and lines on stderr; nothing is ever printed beside."""
    code = main(list(arguments))
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()


class Place(NamedTuple):
    """Where an argument stands, and the kinds that belong there."""

    command: tuple[str, ...]
    takes: tuple[str, ...]

    def with_(self, given):
        return [given if word == "?" else word for word in self.command]


_NEEDED = ("--url", f"http://127.0.0.1:{free_port()}")
PLACES = (
    Place(("contracts", "check", "?", FOLDER), (FOLDER, "new", "http://127.0.0.1:1")),
    Place(("contracts", "check", FOLDER, "?"), (FOLDER, "new", "http://127.0.0.1:1")),
    Place(("contracts", "check", "?", FILE), (FILE, AVRO, "alone/Other/1.json")),
    Place(("contracts", "check", FILE, "?"), (FILE, AVRO, "alone/Other/1.json")),
    Place(("contracts", "check", "http://127.0.0.1:1", "?"), ("http://127.0.0.1:1", FOLDER, "new")),
    Place(
        ("contracts", "check", "?", "--against", "http://127.0.0.1:1"),
        (FOLDER, "new", FILE, AVRO, "alone/Other/1.json", "http://127.0.0.1:1"),
    ),
    Place(("contracts", "check", FOLDER, "--against", "?"), ("http://127.0.0.1:1",)),
    Place(("asyncapi", "check", "?", *_NEEDED), (DOCUMENT,)),
    Place(("asyncapi", "check", DOCUMENT, "--contracts", "?", *_NEEDED), (FOLDER, "new")),
    Place(("asyncapi", "check", DOCUMENT, "--registry", "?", *_NEEDED), ("http://127.0.0.1:1",)),
    Place(("asyncapi", "export", "--contracts", "?", *_NEEDED), (FOLDER, "new")),
    Place(("asyncapi", "export", "--registry", "?", *_NEEDED), ("http://127.0.0.1:1",)),
    Place(("eventcatalog", "export", "out", "--contracts", "?", *_NEEDED), (FOLDER, "new")),
    Place(("eventcatalog", "export", "out", "--registry", "?", *_NEEDED), ("http://127.0.0.1:1",)),
    Place(("flows", "learn", "--asyncapi", "?"), (DOCUMENT,)),
)
THINGS = (
    FOLDER, TYPE, FILE, AVRO, DOCUMENT, OTHER, ".", "", "nowhere", "nowhere/1.json", "registry:8081",
    "http://127.0.0.1:1", "ftp://127.0.0.1", "alone/Other/1.json",
)  # fmt: skip
WRONG = [(place, thing) for place, thing in product(PLACES, THINGS) if thing not in place.takes]


@pytest.mark.parametrize(
    ("place", "thing"), WRONG, ids=[f"{' '.join(place.command[:4])} {thing}" for place, thing in WRONG]
)
def test_one_line_names_what_was_given_and_never_says_that_it_is_not_there(at, capsys, place, thing):
    code, said = lines(capsys, *place.with_(thing))
    assert (code, len(said)) == (2, 1), said
    assert thing in said[0]
    if thing and (at / thing).exists():
        assert "no such" not in said[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("contracts", "check", "new", FILE), "a folder: name new/OrderPlaced/1.json, or two folders"),
        (("contracts", "check", FILE, "new"), "a folder: name new/OrderPlaced/1.json, or two folders"),
        (("contracts", "check", "alone", FILE), "a folder: name two files, or two folders"),
        (("contracts", "check", FILE, "http://127.0.0.1:1"), "a registry: put 1.json into a folder"),
        (("contracts", "check", FILE, "contracts/OrderPlaced/7.json"), "no such file, and"),
        (("contracts", "check", TYPE, "new"), "the versions of one type: name the folder above it, "),
        (("contracts", "check", "registry:8081", "new"), "a registry begins with http://"),
        (("contracts", "check", "new"), "name OLD and NEW, or NEW and a collector with --against"),
        (("asyncapi", "export", "--contracts", FILE), "name the one that it is in, "),
        (("asyncapi", "export", "--contracts", "http://r"), "name a registry with --registry"),
        (("asyncapi", "export", "--registry", FOLDER), "name a folder with --contracts"),
        (("asyncapi", "check", FOLDER), "it is a folder: name the document in it"),
        (("asyncapi", "check", "https://shop.example/a.yaml"), "save the document as a file"),
        (("asyncapi", "check", AVRO), "`flowtrail contracts check` compares contracts"),
        (("flows", "learn", "--asyncapi", FOLDER), "it is a folder: name the document in it"),
    ],
)
def test_the_line_says_what_to_do(at, capsys, arguments, says):
    code, (said,) = lines(capsys, *arguments)
    assert code == 2
    assert says in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("contracts", "check", FOLDER, "--against", "?"),
        ("asyncapi", "export", "--url", "?"),
        ("asyncapi", "check", DOCUMENT, "--url", "?"),
        ("eventcatalog", "export", "out", "--url", "?"),
    ],
)
def test_another_service_is_not_taken_for_a_collector(at, capsys, command):
    """A registry's answer to a path that it doesn't know; exit code 1 would read as a finding."""

    def unknown(request, error):
        return JSONResponse({"error_code": 404, "message": "HTTP 404 Not Found"}, 404)

    with served(Starlette(exception_handlers={404: unknown})) as url:
        code, said = lines(capsys, *[url if word == "?" else word for word in command])
    assert code == 3
    assert said[-1] == f"flowtrail: {url} is not a flowtrail collector (HTTP 404)"
