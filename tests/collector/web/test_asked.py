"""What a request names that isn't known is refused, on every path: ignored, it would select everything."""

from __future__ import annotations

import re

import httpx
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.web.asked import asked_by
from trailkit.site import FLOWS

OTHERS = ("/api/traces", "/api/services", "/api/operations", "/api/dependencies", "/v1/", "/metrics", "/healthz", "/readyz",
          "/static/", "/live")  # fmt: skip


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    store = tmp_path_factory.mktemp("asked") / "store.sqlite"
    collector = build_collector(CollectorConfig(KafkaConfig("127.0.0.1:9"), flows=FLOWS, store=store))
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def client(collector):
    return TestClient(collector.app, base_url="http://127.0.0.1", follow_redirects=False)


def ours(collector):
    return [r for r in collector.routes if isinstance(r, Route) and not r.path.startswith(OTHERS)]


def misspelt(names):
    """Each known name with a letter twice, without its end, in capitals; and a word that is nobody's."""
    for name in names or {"group"}:
        yield from {name[0] + name, name[:-1] or "x", name.upper(), f"{name} ", f"{name}[]"} - set(names)
    yield "nonsense"


@pytest.mark.slow(6)
def test_every_misspelt_query_is_refused_and_named(collector, client):
    tried = 0
    for route in ours(collector):
        if "GET" not in route.methods:
            continue
        path = re.sub(r"{\w+(:path)?}", "1", route.path)
        known = asked_by(route.endpoint, "Query")
        for name in misspelt(known):
            answer = client.get(path, params={name: "x"})
            assert answer.status_code == 400, (path, name, answer.text)
            assert repr(name) in answer.json()["error"]
            tried += 1
        for name in known - asked_by(route.endpoint, "Repeatable"):
            answer = client.get(path, params=[(name, "1"), (name, "2")])
            assert (answer.status_code, answer.json()["error"]) == (
                400,
                f"{name} is given twice",
            )
            tried += 1
    assert tried > 300


def test_what_a_page_takes_several_times_is_read_several_times(collector, client):
    found = {(r.path, name) for r in ours(collector) for name in asked_by(r.endpoint, "Repeatable")}
    assert found == {("/lag", "group")}
    answer = client.get("/lag", params=[("group", "a"), ("group", "b")], headers={"accept": "text/html"})
    assert answer.status_code == 200
    answer = client.get("/lag", params=[("group", "a"), ("group", "b"), ("grup", "c")])
    assert answer.status_code == 400


@pytest.mark.slow(6)
def test_every_misspelt_key_of_a_body_is_refused_and_named(collector, client):
    tried = 0
    for route in ours(collector):
        if "POST" not in route.methods:
            continue
        path = re.sub(r"{\w+}", "1", route.path)
        known = asked_by(route.endpoint, "Body")
        assert known, f"{route.path} takes a body, and its docstring doesn't say what"
        for name in misspelt(known):
            if route.path.startswith("/api/"):
                answer = client.post(
                    path, json={name: "x", "dry_run": True} if "dry_run" in known else {name: "x"}
                )
            else:
                answer = client.post(path, data={name: "x"})
            assert answer.status_code == 400, (path, name, answer.text)
            assert repr(name) in answer.json()["error"]
            tried += 1
        answer = client.post(path, params={"dry_run": "true"}, json={})
        assert answer.status_code == 400, (path, answer.text)
    assert tried > 150


@pytest.mark.parametrize("path", ["/api/v1/dead-letters/redrive", "/api/v1/dead-letters/dismiss"])
@pytest.mark.parametrize("value", ["true", 1, "", [], {"a": 1}, "no"], ids=repr)
@pytest.mark.parametrize("name", ["dry_run", "all"])
def test_a_yes_of_the_wrong_type_isnt_a_no(client, path, name, value):
    answer = client.post(path, json={"id": "o1", name: value} | ({"note": "n"} if "dismiss" in path else {}))
    assert (answer.status_code, answer.json()["error"]) == (400, f"{name} takes true or false")


@pytest.mark.parametrize("path", ["/api/v1/dead-letters/redrive", "/api/v1/dead-letters/dismiss"])
@pytest.mark.parametrize("body", ['{"id": "a", "id": "b"}', '{"state": "pendng", "id": "a"}'])
def test_a_key_twice_and_a_state_that_isnt_one(client, path, body):
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text


def test_links_of_the_console_name_what_their_pages_know(client):
    """Every link and form of the pages that can be reached from the overview answers something else than 400."""
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.startswith("/"):
            continue
        seen.add(path)
        if path.startswith(OTHERS):
            continue
        answer: httpx.Response = client.get(path, headers={"accept": "text/html"})
        assert answer.status_code != 400, (path, answer.text)
        waiting += [
            link.replace("&amp;", "&") for link in re.findall(r'(?:href|action)="([^"]+)"', answer.text)
        ]
    assert len(seen) > 8
