"""The console over reads in memory, and what its pages are looked at with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any, cast

from starlette.testclient import TestClient

from flowtrail_collector.conditions import Condition
from flowtrail_collector.console import (
    Console,
    DeadLetterList,
    DeadLetterPages,
    FormPages,
    GroupPages,
    Links,
    MapPages,
    TroublePages,
    error_page,
)
from flowtrail_collector.console._history import HistoryPages
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.history.view import History
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.oncall.watch import Watch
from flowtrail_collector.topology.model import EdgeKey
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.form_tokens import FormTokens
from mapkit import edge, topology
from redrivekit import FakeKafka, NoRedrives
from trailkit.fakes import FakeSpans
from trailkit.past import NoSamples

__all__ = ["BROWSER", "Lag", "Page", "client_of"]

BROWSER = {"accept": "text/html,application/xhtml+xml"}


class Lag:
    """Figures of one group."""

    collected_at = None
    readings: Sequence[Any] = ()

    def __init__(self, name: str = "billing") -> None:
        self.name = name

    def unread(self) -> dict[str, Any]:
        return {}

    def overview(self) -> dict[str, Any]:
        group = {
            "group": self.name,
            "status": "behind",
            "verdict": "behind",
            "says": self.name,
            "age_seconds": None,
            "lag": 3,
            "lag_seconds": 1.5,
            "catch_up_seconds": None,
            "catching_up": False,
            "messages_lost": 0,
            "members": None,
            "topics": [
                {
                    "topic": self.name,
                    "lag": 3,
                    "status": "behind",
                    "lag_seconds": 1.5,
                    "catch_up_seconds": None,
                    "catching_up": False,
                    "consumed_per_second": 1.0,
                    "produced_per_second": 2.0,
                    "messages_lost": 0,
                    "partitions": 1,
                }
            ],
        }
        failure = {"scope": "group", "name": self.name, "reason": self.name, "since": None}
        return {
            "collected_at": "2026-01-01T00:00:00Z",
            "groups": [group],
            "failures": [failure],
            "unread": {},
        }

    def detail(self, group: str) -> dict[str, Any] | None:
        if group != self.name:
            return None
        found = self.overview()
        each = {"topic": group, "status": "behind", "lag": 3, "lag_seconds": 1.5}
        topic = {
            **each, "partitions": 1, "catching_up": False, "catch_up_seconds": None, "messages_lost": 0,
            "consumed_per_second": 0.25, "produced_per_second": 2.0,
        }  # fmt: skip
        whole = {
            **found["groups"][0],
            "topics": [topic],
            "partitions": [{**each, "partition": 7, "offset": 12, "end": 15}],
        }
        return {**found, "groups": [whole]}


def client_of(reads: Any, lag: Any, problems: Mapping[str, str], links: Links | None = None) -> TestClient:
    """All pages of the console, as a browser asks for them."""
    conditions = {part: Condition.of(problem) for part, problem in problems.items()}
    finder = TrailFinder(reads, FakeSpans(), progress_of=lambda group: GroupProgress(7))
    edges = {EdgeKey(lag.name, lag.name, lag.name): edge()} if lag.name else {}
    console = Console(
        finder,
        reads,
        lag,
        lambda: conditions,
        progress_of=lambda group: GroupProgress(7),
        links=links,
    )
    desk = RedriveDesk(cast(Any, NoRedrives()), FakeKafka())
    forms = FormPages(FormTokens(), writable=True)
    letters, listed = DeadLetterPages(desk, forms), DeadLetterList(reads, forms)
    watch = Watch(lag, reads, lambda: conditions)
    watch.look()
    trouble = TroublePages(reads, lambda group: None, OnCall(watch, lag, reads, lambda group: None))
    routes = [
        *letters.routes(),
        *listed.routes(),
        *trouble.routes(),
        *HistoryPages(History(NoSamples())).routes(),
        *MapPages(topology(edges), reads, lambda: lag.overview()["groups"], finder=finder).routes(),
        *GroupPages(lag).routes(),
        *console.routes(),
    ]
    app = build_app(routes, token=None, on_error=lambda part, error: None, error_page=error_page)
    return TestClient(app, headers=BROWSER)


class Page(HTMLParser):
    """What a page loads and which forbidden things it holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[Any]:
        """Of an attribute, of all tags that have it."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]
