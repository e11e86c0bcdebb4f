"""A real Prometheus scrapes a hostile cluster's page: every series arrives as it stands there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtrail_collector.metrics.exposition import Exposition
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.metrics import metrics_routes
from hostilekit import ODD_GROUPS, HostileCluster, Mischief, Watcher
from pagekit import MetricsPage
from servers import PrometheusServer, UnavailableError, servers_required
from trailkit.web import served
from waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

_STEPS = 60
# Changes from one scrape to the next.
_AGE = "flowtrail_collector_lag_age_seconds"


def plain(app: ASGIApp) -> ASGIApp:
    """The same application for somebody who takes plain text alone."""

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            others = [(key, value) for key, value in scope["headers"] if key != b"accept"]
            scope = {**scope, "headers": [*others, (b"accept", b"text/plain")]}
        await app(scope, receive, send)

    return ask


@contextmanager
def scraping(folder: Path, apps: dict[str, ASGIApp]) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes each application as a job of its name."""
    with ExitStack() as stack:
        jobs = {job: stack.enter_context(served(app)).removeprefix("http://") for job, app in apps.items()}
        try:
            prometheus = PrometheusServer(folder, jobs, interval_seconds=5)
        except UnavailableError as error:
            if servers_required():
                raise
            pytest.skip(str(error))
        stack.callback(prometheus.kill)
        prometheus.start()
        yield prometheus


def arrived(prometheus: PrometheusServer, job: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The series of a job, by name and labels."""
    found = {}
    for each in prometheus.query(f'{{job="{job}"}}'):
        labels = {
            key: value for key, value in each["metric"].items() if key not in ("job", "instance", "__name__")
        }
        found[each["metric"]["__name__"], tuple(sorted(labels.items()))] = float(each["value"][1])
    return found


def test_every_series_arrives_in_both_formats(hostile_cluster: HostileCluster, tmp_path: Path) -> None:
    mischief = Mischief(hostile_cluster, seed=7)
    mischief.begin()
    place = min(place for place in hostile_cluster.logs if place[0] != "__kept")
    for group in (*ODD_GROUPS, "", "a\0b", "\0"):
        hostile_cluster.commit(group, place, 0)
    for _ in range(_STEPS):
        mischief.step()
    watcher = Watcher(hostile_cluster.bootstrap)
    for _ in range(3):
        watcher.collect()
        watcher.learn()
    watcher.collect()
    app = build_app(
        metrics_routes(Exposition([watcher.poller.metrics])), token=None, on_error=lambda part, error: None
    )
    with scraping(tmp_path / "prometheus", {"openmetrics": app, "text": plain(app)}) as prometheus:
        until(lambda: prometheus.targets_up() == {"openmetrics": True, "text": True}, prometheus.targets_up)
        for job in ("openmetrics", "text"):
            page = MetricsPage(watcher.poller.metrics.text(job == "openmetrics").decode())
            # Prometheus takes an empty label for one that isn't there.
            shown = {(name, tuple(pair for pair in labels if pair[1])): value
                     for (name, labels), value in page.values.items() if name != _AGE}  # fmt: skip
            assert len(shown) == len(page.values) - 1
            until(
                lambda job=job, shown=shown: shown.keys() <= arrived(prometheus, job).keys(), f"all of {job}"
            )
            there = arrived(prometheus, job)
            assert {series: there[series] for series in shown} == shown
            own = {series for series in there if series[0].startswith(("scrape_", "up"))}
            assert there.keys() - own == shown.keys() | {(_AGE, ())}
    watcher.close()
    print(f"{len(shown)} series of {len(ODD_GROUPS) + 3} odd groups")
