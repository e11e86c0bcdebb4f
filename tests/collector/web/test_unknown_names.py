"""A filter that names something there isn't is refused, wherever it stands: an empty list would read as good news."""

from __future__ import annotations

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.cli import main
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.web.asked import asked_by
from tools.docs.collector._commands import commands
from trailkit.web import served

pytestmark = pytest.mark.slow(2)
FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing, within: 30s}
    completes: PaymentCompleted
"""
CLOSED = ("flow", "step", "outcome", "state", "cause")
"""What only has values that are known: a group, a topic or an error may always be one that comes yet."""
# Their filters aren't names of this kind, or others answer for them.
_ELSEWHERE = ("/history", "/api/v1/history", "/dead-letters/redrive", "/dead-letters/dismiss")


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    flows = folder / "flows.yaml"
    flows.write_text(FLOWS)
    made = build_collector(
        CollectorConfig(KafkaConfig("kafka:9092"), flows=flows, store=folder / "store.sqlite")
    )
    yield made
    made.close()


def test_each_path_refuses_each_name_it_doesnt_know(collector):
    client = TestClient(collector.app, base_url="http://127.0.0.1:8090")
    tried = []
    for route in collector.routes:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()) or "{" in route.path:
            continue
        if route.path.startswith(_ELSEWHERE):
            continue
        for name in sorted(asked_by(route.endpoint, "Query").intersection(CLOSED)):
            wants_html = not route.path.startswith("/api/")
            answer = client.get(
                route.path, params={name: "nosuch"}, headers={"accept": "text/html" if wants_html else "*/*"}
            )
            assert answer.status_code == 400, (route.path, name)
            assert "nosuch" in answer.text or f"{name} is one of" in answer.text, (route.path, name)
            tried.append((route.path, name))
    assert len(tried) >= 15
    assert {name for _, name in tried} == set(CLOSED)


def test_each_command_refuses_each_name_it_doesnt_know(collector, capsys):
    tried = []
    with served(collector.app) as url:
        for context, command in commands():
            path = context.command_path.split()[1:]
            options = {opt for each in command.params for opt in each.opts}
            if "--url" not in options or path[0] in ("flows", "asyncapi", "eventcatalog", "mcp", "doctor"):
                continue
            for name in CLOSED:
                if f"--{name}" not in options:
                    continue
                more = ["--dry-run"] if "--dry-run" in options else []
                more += ["--note", "a reason"] if "--note" in options else []
                code = main([*path, f"--{name}", "nosuch", *more, "--url", url])
                said = capsys.readouterr()
                assert code == 2, (path, name, said)
                assert said.out == "", (path, name)
                assert "nosuch" in said.err, (path, name)
                tried.append((*path, name))
    assert len(tried) >= 8, tried
