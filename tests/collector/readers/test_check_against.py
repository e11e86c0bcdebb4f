"""`flowtrail contracts check --against`: a collector that real consumers told what they read, and who would break."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from contractkit import DIALECTS, Dialect, FieldKind, write
from flowtrail import Event, Trail
from flowtrail.contracts import Contracts
from flowtrail_collector.cli import main
from flowtrail_collector.readers.model import ReaderKey
from flowtrail_collector.readers.sql import SqlReaders
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, WebConfig
from flowtrail_collector.store.open import open_store
from servers import ManagedProcess, answers, free_port
from trailkit.web import collecting, served
from waiting import scaled, until

ORDER_ID = FieldKind("order_id", "text", 1)
V1 = (ORDER_ID, FieldKind("total", "whole", 2))
NOTED = (*V1, FieldKind("note", "text", 3, default=("",)))
CENTS = (ORDER_ID, FieldKind("total_cents", "whole", 5))
TOKEN = "a-token-of-some-length"
DAY_MS = 86_400_000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("FLOWTRAIL_TOKEN", raising=False)

    def run(*arguments: Any) -> tuple[int, str, str]:
        code = main(["contracts", "check", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def config(folder: Path, **web: Any) -> CollectorConfig:
    return CollectorConfig(
        KafkaConfig("127.0.0.1:1"), store=folder / "store.sqlite", web=WebConfig("127.0.0.1:0", **web)
    )


@contextmanager
def knowing(folder: Path, *seen: tuple[ReaderKey, float], **web: Any) -> Iterator[str]:
    """A collector that saw these readers so many milliseconds ago; its URL."""
    database = open_store(folder / "store.sqlite").database
    now_ms = time.time() * 1000
    for key, ago_ms in seen:
        SqlReaders(database).note({key: int(now_ms - ago_ms)})
    database.close()
    with collecting(config(folder, **web)) as url:
        yield url


def reads(version: int, service: str = "fulfillment", **settings: Any) -> ReaderKey:
    given = ReaderKey(service, service, "orders", "OrderPlaced", version, "registry")
    return given._replace(**settings)


@pytest.mark.slow(3)
@pytest.mark.parametrize("dialect", list(DIALECTS.values()), ids=list(DIALECTS))
def test_who_would_break_and_who_did_lately(tmp_path: Path, run: Run, dialect: Dialect) -> None:
    new = write(tmp_path / "new", dialect, "OrderPlaced", V1, CENTS)
    fine = write(tmp_path / "fine", dialect, "OrderPlaced", V1, NOTED)
    seen = (
        (reads(1), 200_000),
        (reads(1, "stock"), 12 * DAY_MS),
        (reads(2, "billing"), 1_000),
        (reads(0, "legacy"), 1_000),
        (reads(1, "billing"), 5 * 3_600_000),
        (reads(1, "other", type="Other"), 1_000),
    )
    with knowing(tmp_path, *seen) as url:
        code, out, err = run(new, "--against", url)
        assert (code, err) == (1, "")
        lines = out.splitlines()
        assert lines[0].startswith("breaks: fulfillment reads OrderPlaced 1, last seen "), lines
        assert "2 breaks it: total: " in lines[0]
        assert lines[1].startswith("unknown: legacy reads OrderPlaced, last seen ")
        assert lines[2].startswith("replaced: billing reads OrderPlaced 1, last seen 5h 00m ago")
        assert lines[3:] == [
            "1 more reader of these types was seen before: --since 30d",
            "1 service would break",
        ]
        code, out, _ = run(new, "--against", url, "--since", "30d", "--json")
        said = json.loads(out)
        assert (code, said["compatible"], said["earlier_readers"]) == (1, False, 0)
        found = [(one["service"], one["version"], one["new_version"]) for one in said["broken"]]
        assert found == [("fulfillment", 1, 2), ("stock", 1, 2)]
        assert {change["field"] for change in said["broken"][0]["changes"]} >= {"total"}
        code, out, _ = run(fine, "--against", url)
        assert (code, out.splitlines()[-1]) == (0, "nobody would break: 3 readers seen in the last 1d")
        assert out.splitlines()[-2].startswith("taken as unchanged: OrderPlaced 1, OrderPlaced 2; name OLD")
        # Whatever is compared, there is one verdict.
        code, out, _ = run(write(tmp_path / "old", dialect, "OrderPlaced", V1), new, "--against", url)
        assert (code, out.splitlines()[-1], "compatible" in out) == (1, "1 service would break", False)
        # A single file, beside the version that is read.
        file = new / "OrderPlaced" / f"2{dialect.suffix}"
        assert run(file, "--against", url)[0] == 1
        assert run(fine / "OrderPlaced" / file.name, "--against", url)[0] == 0
        # Both states: what stays as it is breaks nobody.
        assert run(new, new, "--against", url)[0] == 0
        code, out, _ = run(fine / "OrderPlaced" / f"1{dialect.suffix}", file, "--against", url, "--json")
        assert (code, [one["service"] for one in json.loads(out)["broken"]]) == (1, ["fulfillment"])
        assert json.loads(out)["findings"]


@pytest.mark.slow(3)
def test_whatever_goes_wrong_is_one_line(tmp_path: Path, run: Run) -> None:
    new = write(tmp_path / "new", DIALECTS["json"], "OrderPlaced", V1)
    other = write(tmp_path / "other", DIALECTS["json"], "Other", V1)
    with knowing(tmp_path, token=TOKEN) as url:
        told: list[tuple[int, str, str]] = [
            run(new, "--against", url),
            run(new, "--against", url, "--token", "wrong"),
            run(new, "--against", url, "--token", TOKEN),
            run(new, "--against", "http://127.0.0.1:1"),
            run(new, "--against", "ftp://x"),
            run(new, "--against", url, "--since", "soon", "--token", TOKEN),
            run(tmp_path / "none", "--against", url, "--token", TOKEN),
            run(new),
            run("--against", url),
            run(new, new, new, "--against", url),
        ]
    assert [code for code, _, _ in told] == [2, 2, 2, 3, 2, 2, 2, 2, 2, 2]
    for code, out, err in told:
        assert (out, err.count("\n"), err[:10]) == ("", 1, "flowtrail:"), (code, out, err)
    assert "token" in told[0][2]
    assert "knows of no reader yet" in told[2][2]
    assert "/v1/traces" in told[2][2]
    assert "--against" in told[3][2]
    assert "--url" not in "".join(err for _, _, err in told)
    (tmp_path / "second").mkdir()
    with knowing(tmp_path / "second", (reads(1), 1_000)) as url:
        code, out, _ = run(other, "--against", url)
        assert (code, out) == (0, "nobody would break: nobody was ever seen reading these types\n")


@pytest.mark.slow(3)
@pytest.mark.parametrize("dialect", list(DIALECTS.values()), ids=list(DIALECTS))
def test_no_evidence_is_no_green_light(tmp_path: Path, run: Run, dialect: Dialect) -> None:
    """A change in place without OLD, nobody seen lately, and readers of nobody knows what: exit code 2."""
    old = write(tmp_path / "old", dialect, "OrderPlaced", V1)
    in_place = write(tmp_path / "in_place", dialect, "OrderPlaced", CENTS)
    newer = write(tmp_path / "newer", dialect, "OrderPlaced", V1, NOTED)
    table = (
        ("lately", reads(1), 1_000, {in_place: 2, old: 2, newer: 0}),
        ("long ago", reads(1), 9 * DAY_MS, {in_place: 2, old: 2, newer: 2}),
        ("unknown", reads(0), 1_000, {in_place: 2, old: 2, newer: 2}),
    )
    says = {
        "lately": "takes OLD too: flowtrail contracts check OLD NEW --against URL",
        "long ago": "nobody was seen reading these types in the last 1d",
        "unknown": "no event that is read names a version",
    }
    for case, key, ago_ms, alone in table:
        (tmp_path / case).mkdir()
        with knowing(tmp_path / case, (key, ago_ms)) as url:
            for state, expected in alone.items():
                code, out, err = run(state, "--against", url)
                assert (code, err) == (expected, ""), (case, state, out)
                verdict = out.splitlines()[-1]
                assert verdict.startswith("can't tell who would break: " if code else "nobody would break: ")
                assert not code or says[case] in " ".join(out.split()), (case, out)
                assert json.loads(run(state, "--against", url, "--json")[1])["compatible"] is (
                    None if code else True
                )
            code, out, _ = run(old, newer, "--against", url)
            assert code == (0 if case == "lately" else 2), (case, out)
            assert run(old, in_place, "--against", url)[0] == 1, case
            assert run(old, old, "--against", url)[0] == 0, case


UNUSABLE = [
    *((dialect, name, text) for dialect in DIALECTS.values() for name, text in dialect.broken.items()),
    *((dialect, "10 MB", " " * 10_000_000) for dialect in DIALECTS.values()),
]


@pytest.mark.parametrize(
    ("dialect", "name", "text"), UNUSABLE, ids=[f"{dialect.name}-{name}" for dialect, name, _ in UNUSABLE]
)
def test_a_contract_that_cant_be_used_is_one_line(
    tmp_path: Path, run: Run, dialect: Dialect, name: str, text: str
) -> None:
    """File, line where there is one, and what; with a collector and without."""
    good = write(tmp_path / "good", dialect, "A", V1)
    bad = write(tmp_path / "bad", dialect, "A", text)
    file = bad / "A" / f"1{dialect.suffix}"
    line = (
        text[: text.find("Foo" if "Foo" in text else "strin x")].count("\n") + 1
        if "unknown type" in name
        else None
    )
    for arguments in ((good, bad), (good / "A" / file.name, file), (bad, "--against", "http://127.0.0.1:1"),
                      (file, "--against", "http://127.0.0.1:1")):  # fmt: skip
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith(f"flowtrail: {file}:{'' if line is None else f'{line}:'}"), err


@pytest.mark.slow
def test_what_isnt_a_collector_of_this_version_is_said(tmp_path: Path, run: Run) -> None:
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    new = write(tmp_path / "new", DIALECTS["json"], "OrderPlaced", V1)
    for body in ([], {}, {"readers": 5}, {"readers": [{}], "known": 1}, {"readers": [5], "known": 1}):
        app = Starlette(routes=[Route("/api/v1/readers", lambda request, body=body: JSONResponse(body))])
        with served(app) as url:
            code, out, err = run(new, "--against", url)
        assert (code, out, err.count("\n")) == (3, "", 1), (body, err)


# -- from the consumer to the verdict, and over a kill


def store_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    return str(folder / "killed.sqlite") if kind == "sqlite" else request.getfixturevalue("postgres")


def collector(folder: Path, servers: str, store: str, port: int) -> ManagedProcess:
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", servers,
        "--store", store, "--listen", f"127.0.0.1:{port}",
    ]  # fmt: skip
    ready = f"http://127.0.0.1:{port}/healthz"
    return ManagedProcess("collector", command, ready=lambda: answers(ready), output=folder / "collector.log")


@pytest.mark.servers
@pytest.mark.slow(15)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_consumers_of_three_formats_are_known_after_a_kill(
    tmp_path: Path, request: pytest.FixtureRequest, run: Run, devbroker: str, kind: str
) -> None:
    """Spans of a service that reads one type in each format; what was acknowledged outlives the collector."""
    folder, new = tmp_path / "contracts", tmp_path / "new"
    for name, dialect in DIALECTS.items():
        write(folder, dialect, f"Order_{name}", V1)
        write(new, dialect, f"Order_{name}", V1, CENTS)
    port = free_port()
    process = collector(tmp_path, devbroker, store_of(kind, request, tmp_path), port)
    url = f"http://127.0.0.1:{port}"
    process.start()
    try:
        consume_one_of_each(devbroker, folder, url)
        commit_without_a_word(devbroker)
        process.kill()
        process.start()
        until(lambda: "stranger" in run(new, "--against", url)[1], "the group that tells nothing")
        code, out, _ = run(new, "--against", url, "--json")
        broken = {
            (one["service"], one["group"], one["type"], one["version"]) for one in json.loads(out)["broken"]
        }
        assert broken == {("fulfillment", "g", f"Order_{name}", 1) for name in DIALECTS}
        silent = json.loads(out)["silent_groups"]
        assert silent == [{"group": "stranger", "topic": "orders"}]
        assert {one["contracts"] for one in json.loads(out)["broken"]} == {"folder"}
        assert (code, run(folder, folder, "--against", url)[0]) == (1, 0)
    finally:
        process.kill()


def commit_without_a_word(servers: str) -> None:
    """A group that reads the topic, and sends no spans."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "stranger", "enable.auto.commit": False})
    try:
        consumer.commit(offsets=[TopicPartition("orders", 0, 1)], asynchronous=False)
    finally:
        consumer.close()


def consume_one_of_each(servers: str, folder: Path, url: str) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "fulfillment"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{url}/v1/traces", timeout=int(scaled(20)))
    # Returns once the collector has acknowledged.
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trail = Trail(
        "fulfillment", servers, client="confluent", tracer_provider=provider,
        contracts=Contracts.from_folder(folder),
    )  # fmt: skip
    got: set[str | None] = set()

    @trail.consumer("orders", group="g")
    def on_order(event: Event[Any]) -> None:
        got.add(event.type)

    with trail.running():
        for name in DIALECTS:
            trail.publish("orders", {"order_id": "7", "total": 3}, type=f"Order_{name}", version=1)
        until(lambda: got == {f"Order_{name}" for name in DIALECTS}, "an event of each format")
    trail.close()
    provider.shutdown()
