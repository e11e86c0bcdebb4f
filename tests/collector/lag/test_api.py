"""`GET /api/v1/lag` and `flowtrail lag` on it."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
from click.testing import CliRunner

from flowtrail_collector.cli.lag import lag
from flowtrail_collector.lag import LagView
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.web.app import build_app
from lagkit import SimulatedCluster, Watch
from trailkit.web import served


@pytest.fixture(scope="module")
def view() -> LagView:
    cluster = SimulatedCluster()
    for topic in ("orders", "payments", "audit", "mail", "search"):
        cluster.topic(topic)
        cluster.produce(topic, count=1000)
        cluster.commit("shipping", topic, 0, 1000)
    cluster.commit("billing", "orders", 0, 10)
    cluster.consumers["billing"].state = "empty"
    cluster.commit("evil\x1b[31m", "orders", 0, 900)
    watch = Watch(cluster)
    watch.run(150)
    view = LagView(clock=lambda: cluster.now)
    failures = [Failure("group", "reports", "coordinator not available")]
    view.publish(list(watch.readings.values()), cluster.now, failures)
    return view


@pytest.fixture(scope="module")
def url(view: LagView) -> Iterator[str]:
    app = build_app(lag_routes(view), token=None, on_error=lambda part, error: None)
    with served(app) as url:
        yield url


def shown(url: str, *arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "140"}).invoke(lag, ["--url", url, *arguments])
    assert result.exception is None, result.exception
    return result.output


def test_groups_that_need_attention_come_first(url: str) -> None:
    answer = httpx.get(f"{url}/api/v1/lag").json()
    assert [group["group"] for group in answer["groups"]] == ["billing", "evil\x1b[31m", "shipping"]
    billing = answer["groups"][0]
    assert (billing["status"], billing["lag"], billing["state"]) == ("stopped", 990, "empty")
    assert billing["lag_seconds"] == pytest.approx(150, abs=1)
    assert (billing["catch_up_seconds"], billing["catching_up"]) == (None, False)
    assert billing["topics"][0]["retention_margin"] == 10
    (failure,) = answer["failures"]
    assert failure.pop("since").endswith("Z")
    assert failure == {"scope": "group", "name": "reports", "reason": "coordinator not available"}
    assert answer["unread"] == {"Kafka": {"groups": 1, "since": None}}
    assert answer["collected_at"].endswith("Z")


def test_one_group_has_its_partitions(url: str) -> None:
    answer = httpx.get(f"{url}/api/v1/lag", params={"group": "billing"}).json()
    (group,) = answer["groups"]
    (partition,) = group["partitions"]
    assert {key: partition[key] for key in ("topic", "partition", "offset", "end", "lag", "status")} == {
        "topic": "orders", "partition": 0, "offset": 10, "end": 1000, "lag": 990, "status": "stopped",
    }  # fmt: skip
    assert answer["failures"] == []


def test_unknown_groups_and_a_collector_that_has_not_collected_are_errors(url: str) -> None:
    answer = httpx.get(f"{url}/api/v1/lag", params={"group": "nobody"})
    assert (answer.status_code, answer.json()) == (404, {"error": "no group 'nobody'"})
    for asked, meant in (("bill", "billing"), ("biling", "billing")):
        answer = httpx.get(f"{url}/api/v1/lag", params={"group": asked})
        assert answer.json() == {"error": f"no group {asked!r} (did you mean {meant}?)"}
    assert "did you mean" not in httpx.get(f"{url}/api/v1/lag", params={"group": ""}).text
    app = build_app(lag_routes(LagView()), token=None, on_error=lambda part, error: None)
    with served(app) as other:
        assert httpx.get(f"{other}/api/v1/lag").status_code == 503


def test_the_table_tells_who_is_behind_and_what_failed(url: str) -> None:
    lines = shown(url).splitlines()
    assert lines[0].split()[:4] == ["GROUP", "STATUS", "LAG", "OLDEST"]
    assert lines[1].split()[:3] == ["billing", "stopped", "990"]
    assert "2m 30s" in lines[1]
    assert "never" in lines[1]
    assert "and 2 more" in lines[3]
    assert lines[-1].rstrip() == "group reports: coordinator not available"


def test_no_terminal_obeys_a_groups_name(url: str) -> None:
    assert "\x1b" not in shown(url)
    assert "evil\\x1b[31m" in shown(url)


def test_one_groups_table_shows_topics_and_partitions(url: str) -> None:
    text = shown(url, "--group", "billing")
    assert text.startswith("billing  stopped  has no members  classic group, empty")
    assert "MARGIN" in text
    assert "PARTITION" in text


def test_json_is_the_apis(url: str) -> None:
    assert json.loads(shown(url, "--json")) == httpx.get(f"{url}/api/v1/lag").json()


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_watching_shows_anew_until_interrupted(
    url: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("flowtrail_collector.cli.lag.time", SimpleNamespace(sleep=sleep))
    text = shown(url, "--watch", "--interval", "7", *arguments)
    assert pauses == [7.0] * 3
    if arguments:
        assert text.count('"collected_at"') == 3
    else:
        assert ["billing", "stopped", "990"] in [line.split()[:3] for line in text.splitlines()]
