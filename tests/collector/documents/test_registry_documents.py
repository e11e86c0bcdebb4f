"""Documents whose contracts come from a real Apicurio Registry, and registries that have none or don't answer."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from contractkit import REFERRING, Referring
from documentkit import Record, flowing
from flowtrail.contracts._formats import BY_SUFFIX
from flowtrail_collector.cli import _app
from servers import free_port
from waiting import scaled

# A registry takes a schema only after those that it refers to.
CASES = {
    name: case
    for name, case in REFERRING.items()
    if name not in ("avro: two shared types that hold each other", "avro: the contract within what it takes")
}
RUN = f"r{uuid.uuid4().hex[:6]}"
TYPES = {f"{RUN}.of{number}.Order": case for number, case in enumerate(CASES.values())}


def asked(*arguments):
    done = CliRunner().invoke(_app.cli, [str(argument) for argument in arguments], standalone_mode=False)
    code = done.return_value if done.exception is None else getattr(done.exception, "exit_code", None)
    said = [str(done.exception)] if done.exception is not None else []
    # Nobody collects lag here, which is another matter.
    said += [line for line in done.stderr.splitlines() if "consumer groups aren't known" not in line]
    return code, done.stdout, said


class Registering:
    """Registers contracts with what they refer to, each text under a subject of its own."""

    def __init__(self, client: SchemaRegistryClient) -> None:
        self._client = client

    def contract(self, type: str, case: Referring) -> None:
        shared = {_named(path): text for path, text in case.shared.items()}
        self._register(type, case, case.text, shared, type)

    def _register(self, subject: str, case: Referring, text: str, shared: dict[str, str], type: str) -> None:
        references = []
        for name, other in shared.items():
            if other != text and f'"{name}"' in text:
                place = f"{type}:{name}"
                self._register(place, case, other, shared, type)
                references.append(SchemaReference(name, place, 1))
        kind = BY_SUFFIX[case.suffix].registry_type
        self._client.register_schema(subject, Schema(text, kind, references))


def _named(path: str) -> str:
    """How a text is referred to: an import by its path, a type of Avro by its name."""
    return path.removeprefix("_shared/").removesuffix(".avsc") if path.endswith(".avsc") else path


@pytest.fixture(scope="module")
def registered(registry):
    with SchemaRegistryClient({"url": registry, "timeout": scaled(20)}) as client:
        for type, case in TYPES.items():
            Registering(client).contract(type, case)
    return registry


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A collector that has seen an event of each type, and one of a type that no registry knows."""
    records = [Record("orders", type, "1", "orders") for type in (*TYPES, f"{RUN}.Unknown")]
    records.append(Record("orders", next(iter(TYPES)), "7", "orders"))
    with flowing(tmp_path_factory.mktemp("flowing"), records) as url:
        yield url


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.fetches("documents")
def test_a_document_has_what_the_registry_holds_in_all_formats(registered, url, tmp_path, parsed):
    file = tmp_path / "shop.yaml"
    code, out, said = asked("asyncapi", "export", "--url", url, "--registry", registered, "--output", file)
    missing = f"{RUN}.Unknown 1, {next(iter(TYPES))} 7"
    assert (code, out) == (0, "")
    assert said == [f"note: there is no contract for {missing}: their messages have no payload"]
    found = parsed(file)
    (channel,) = found["channels"]
    understood = {item["name"]: frozenset(item["fields"]) for item in channel["messages"] if item["payload"]}
    assert understood == {type: case.names for type, case in TYPES.items()}
    (server,) = found["servers"]
    assert server["bindings"] == [
        {"protocol": "kafka", "schemaRegistryUrl": registered, "schemaRegistryVendor": "confluent"},
    ]  # fmt: skip
    code, out, said = asked("asyncapi", "check", file, "--url", url, "--registry", registered)
    assert (code, out, said) == (0, "the document matches what flows\n", [])


@pytest.mark.servers
@pytest.mark.slow
def test_an_eventcatalog_has_it_too(registered, url, tmp_path):
    code, _, said = asked("eventcatalog", "export", tmp_path / "c", "--url", url, "--registry", registered)
    assert code == 0
    assert [line.partition(":")[0] for line in said] == ["note"]
    assert len(list((tmp_path / "c").rglob("schema.*"))) == len(TYPES)


@contextmanager
def closed() -> Iterator[str]:
    yield f"http://user:secret@127.0.0.1:{free_port()}"


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://user:secret@127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("away", [closed, silent])
@pytest.mark.parametrize("command", [("asyncapi", "export"), ("eventcatalog", "export", "catalog")])
def test_a_registry_that_does_not_answer_is_one_line(url, away, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with away() as place:
        code, out, said = asked(*command, "--url", url, "--registry", place)
    assert (code, out, len(said)) == (3, "", 1)
    assert said[0].startswith(f"schema registry {place.rpartition('@')[2]} can't be asked for {RUN}.")
    assert "secret" not in said[0]
    assert list(tmp_path.iterdir()) == []
