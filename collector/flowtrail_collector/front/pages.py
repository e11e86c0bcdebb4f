"""Puts the reading process together: the routes it answers itself, in one screen. All others are handed on.

They are the same routes over the same reads as in `app`, where the collector is one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.console import error_page, not_sent_form
from flowtrail_collector.console.wire import reading_routes
from flowtrail_collector.dead_letters.web.routes import dead_letter_routes
from flowtrail_collector.events.web import TopicList, topic_routes
from flowtrail_collector.front.messages import Start, Told
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.history.view import History
from flowtrail_collector.history.web import history_routes
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.runtime.supervisor import Part
from flowtrail_collector.sagas.learning.sql import SqlInstances
from flowtrail_collector.sagas.learning.web import learning_routes
from flowtrail_collector.sagas.web import saga_routes
from flowtrail_collector.spans.jaeger import jaeger_routes
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.wire import wire as wire_topology
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.trails.wire import wire as wire_trails
from flowtrail_collector.web.access.wire import wire as wire_login
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.prefix import checked_prefix, proxies_of

__all__ = ["build_reader"]


def build_reader(
    start: Start,
    database: Database,
    told: Told,
    *,
    otherwise: ASGIApp,
    on_error: Callable[[str, Exception], None],
) -> tuple[ASGIApp, Sequence[Part]]:
    """The application behind the collector's address, and what runs beside it.

    Args:
        start: Settings, and what the writing process answers.
        database: Opened for reading.
        told: What the writing process tells.
        otherwise: Answers the rest.
        on_error: Called with the name of a part, or `web`, and what it raised.
    """
    config, flows = start.config, start.flows
    reads, spans = TrailReads(database, flows), SqlSpans(database)

    def holds_dead_letters(topic: str) -> bool:
        return config.kafka.holds_dead_letters(without_broker(topic))

    topics = TopicList(reads.topics_read, flows.mapping, holds_dead_letters)
    trails = wire_trails(reads, spans, flows, told.lag.progress, holds_dead_letters)
    topology, history = wire_topology(database), History(SqlSamples(database))
    access, login = config.web.access, wire_login(config.web.login, on_error)
    pages = reading_routes(
        config.web, access, login, finder=trails.finder, views=reads, lag=told.lag, topology=topology,
        history=history, conditions=lambda: told.state.conditions, status=lambda: told.state.status, topics=topics,
        pulse=lambda: (database.newest_event_row(), told.state.status.get("spans_received"), told.lag.collected_at),
    )  # fmt: skip
    routes: list[BaseRoute] = [
        *(*trails.wired.routes, *topology.wired.routes, *lag_routes(told.lag), *topic_routes(topics)),
        *history_routes(history),
        *(*saga_routes(reads, told.lag.progress), *dead_letter_routes(reads)),
        *learning_routes(SqlInstances(database), told.lag.group_names),
        *(*jaeger_routes(spans, SqlSpanSearch(database)), *pages),
    ]
    app = build_app(
        routes,
        token=access.token,
        write_token=access.write_token,
        local=access.local,
        payload_token=access.payload_token,
        people=login,
        on_error=on_error,
        error_page=error_page,
        not_sent=not_sent_form,
        root_path=checked_prefix(config.web.root_path),
        trusted_proxies=proxies_of(config.web.trusted_proxies),
        otherwise=otherwise,
        others=start.others,
    )
    return app, [topology.rates, _Beforehand(reads.list_flows)]


class _Beforehand:
    """A `Part` that finds once what takes long to find the first time, so that nobody waits for it.

    Args:
        ask: Finds it.
    """

    name = "first answers"
    problem: str | None = None

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask

    def run(self, stop: threading.Event) -> None:
        """Find it, then rest until `stop` is set."""
        self._ask()
        stop.wait()
