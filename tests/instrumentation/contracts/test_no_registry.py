"""An address where something else than a schema registry answers: never taken for a registry without contracts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, FieldKind, write
from flowtrail.contracts import Contracts, NotARegistryError, RegistrySource
from flowtrail.errors import ConfigurationError
from flowtrail_collector.cli import main
from flowtrail_collector.documents.contracts import Known
from httpkit import Answer, serving
from waiting import scaled

pytestmark = pytest.mark.slow

Serve = Callable[[Callable[[str], Answer]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves what a function says about each path; the URL."""
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(serving(lambda asked: answer(asked.path)))


def coded(code: int) -> Answer:
    return 404, json.dumps({"error_code": code, "message": "not found"})


SOMETHING_ELSE: dict[str, Callable[[str], Answer]] = {
    "a web server": lambda path: (404, "<html>not found</html>"),
    "a collector": lambda path: (404, json.dumps({"error": "no such page"})),
    "Apicurio's root": lambda path: (404, json.dumps({"status": 404, "title": "no such resource"})),
    "a code of its own": lambda path: coded(404),
    "subjects that are none": lambda path: (200, "{}") if path == "/subjects" else (404, ""),
}
REGISTRIES: dict[str, Callable[[str], Answer]] = {
    "Confluent's codes": lambda path: coded(40401),
    "codes of its own": lambda path: (200, "[]") if path == "/subjects" else coded(404),
    "no code": lambda path: (200, "[]") if path == "/subjects" else (404, ""),
    "subjects that may not be listed": lambda path: (403, "") if path == "/subjects" else (404, ""),
}
ASK: dict[str, Callable[[RegistrySource], Any]] = {
    "publish": lambda source: Contracts(source).validate_publish("OrderPlaced", 1, {}),
    "read": lambda source: Contracts(source).read("OrderPlaced", "1", {}),
    "by id": lambda source: source.by_id(7),
    "types": lambda source: source.types(),
    "versions": lambda source: source.versions("OrderPlaced"),
}


@pytest.mark.parametrize("kind", SOMETHING_ELSE)
def test_something_else_is_said_whatever_is_asked(kind: str, serve: Serve) -> None:
    url = serve(SOMETHING_ELSE[kind])
    for what, ask in ASK.items():
        source = RegistrySource(url, timeout_seconds=scaled(10), retry_seconds=0)
        for _ in range(2):
            with pytest.raises(
                NotARegistryError, match=r"is no schema registry .*/apis/ccompat/v7"
            ) as raised:
                ask(source)
            assert "\n" not in str(raised.value), what
        source.close()


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_registry_without_the_type_is_one(kind: str, serve: Serve) -> None:
    source = RegistrySource(serve(REGISTRIES[kind]), timeout_seconds=scaled(10))
    Contracts(source).validate_publish("OrderPlaced", 1, {})
    assert source.by_id(7) is None
    source.close()


def holding(texts: dict[str, str]) -> Callable[[str], Answer]:
    """A registry with version 1 of each type, as JSON Schema, whatever its text is."""

    def answer(path: str) -> Answer:
        parts = path.strip("/").split("/")
        if path == "/subjects":
            return 200, json.dumps(list(texts))
        if parts[0] != "subjects" or parts[1] not in texts:
            return coded(40401)
        if len(parts) == 3:
            return 200, "[1]"
        row = {"subject": parts[1], "version": 1, "id": 1, "schema": texts[parts[1]], "schemaType": "JSON"}
        return 200, json.dumps(row)

    return answer


def test_one_subject_that_cant_be_used_costs_one_line(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other types are compared: they break (1), or they don't, and the one is still in doubt (2)."""
    old, new = (
        json.dumps({"type": "object", "properties": {"a": {"type": kind}}}) for kind in ("string", "number")
    )
    url = serve(holding({"Bad": "record Bad", "Good": old}))
    folder = tmp_path / "contracts"
    for text, code in ((old, 2), (new, 1)):
        for type in ("Bad", "Good"):
            (folder / type).mkdir(parents=True, exist_ok=True)
            (folder / type / "1.json").write_text(text)
        assert main(["contracts", "check", url, str(folder)]) == code
        out, err = capsys.readouterr()
        assert err.startswith("unusable: Bad/1")
        assert (err.count("\n"), url in err, "Bad" in out) == (1, True, False), err
        assert ("breaks: Good 1 -> 1" in out) == (code == 1)


def test_documents_leave_out_what_cant_be_used(serve: Serve) -> None:
    source = RegistrySource(serve(holding({"Bad": "record Bad", "Good": "{}"})), timeout_seconds=scaled(10))
    known = Known([source])
    assert known.of("Bad", "1") is None
    assert known.of("Good", "1") is not None
    assert len(known.unusable) == 1
    assert not known.missing
    source.close()


def test_the_command_says_so(tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write(tmp_path, DIALECTS["json"], "OrderPlaced", (FieldKind("order_id", "text", 1),)))
    url = serve(SOMETHING_ELSE["a collector"])
    for states in ((folder, url), (url, folder)):
        assert main(["contracts", "check", *states]) == 3
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "is no schema registry" in err
        assert "a collector is named with --against" in err


@pytest.mark.parametrize(
    ("url", "registry", "says"),
    [
        ("localhost:8081", {}, "begins with http:// or https://, not 'localhost:8081'"),
        ("", {}, "begins with http:// or https://"),
        ("me:secret@localhost:8081", {}, "not 'localhost:8081'"),
        ("ftp://localhost", {}, "begins with http:// or https://"),
        (None, {}, "begins with http:// or https://"),
        ("http://localhost", {"tipes": ["A"]}, "no argument 'tipes': did you mean types?"),
        ("http://localhost", {"zzz": 1}, "no argument 'zzz': there are subject, types"),
        (
            "http://localhost",
            {"settings": {"nothing.of.it": 1}},
            "the registry's client refuses its settings",
        ),
        (
            "http://localhost",
            {"timeout_seconds": "soon"},
            "timeout_seconds is 'soon', should be a number of seconds, 0 or more",
        ),
    ],
)
def test_wrong_arguments_are_one_line(url: Any, registry: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Contracts.from_registry(url, registry=registry)
    said = str(raised.value)
    assert says in said
    assert "secret" not in said
    assert "\n" not in said
