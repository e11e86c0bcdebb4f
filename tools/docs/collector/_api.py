"""Every HTTP path: the routes of an assembled collector, and what their endpoints' docstrings say."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute, Route

from flowtrail_collector.app import Collector, build_collector
from flowtrail_collector.settings import (
    CollectorConfig,
    KafkaConfig,
    LagSettings,
    OidcConfig,
    RabbitConfig,
    WebConfig,
)
from tools.docs.collector._markdown import code, table

__all__ = ["Endpoint", "api_section", "assembled", "endpoints"]

_GROUPS = {
    "API": ("/api/v1/",),
    "Scrapes, probes, spans": ("/metrics", "/healthz", "/readyz", "/v1/"),
    "Jaeger's query API": ("/api/",),
    "Console": ("/",),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and a method.

    Attributes:
        method: `GET` or `POST`.
        path: With `{name}` where something is filled in.
        meaning: What it answers.
        query: Parameters in the query.
        body: Names in the JSON object, or the form, that is sent.
    """

    method: str
    path: str
    meaning: str
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()


# Nobody is asked before somebody logs in.
_PEOPLE = OidcConfig("https://login.example.com", "flowtrail", default_role="read")


@contextmanager
def assembled() -> Iterator[Collector]:
    """A collector put together and never started."""
    with tempfile.TemporaryDirectory() as folder:
        collector = build_collector(
            CollectorConfig(
                KafkaConfig("127.0.0.1:9"),
                rabbitmq=RabbitConfig("amqp://127.0.0.1:9"),
                store=Path(folder) / "store.sqlite",
                lag=LagSettings(compat=("kafka_exporter",)),
                web=WebConfig(show_payloads=True, oidc=_PEOPLE),
            )
        )
        try:
            yield collector
        finally:
            collector.close()


def endpoints(routes: Iterable[BaseRoute]) -> list[Endpoint]:
    """What these routes answer."""
    found = []
    for route in routes:
        # Nothing else is used; a mount would hide what is below it.
        assert isinstance(route, Route), route
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            found.append(_endpoint(method, path, inspect.getdoc(route.endpoint) or ""))
    return found


def api_section() -> str:
    """All paths, as Markdown."""
    with assembled() as collector:
        left = sorted(endpoints(collector.routes), key=lambda item: (item.path, item.method))
    parts = [
        "Answers under `/api/` are JSON; times are RFC 3339 in UTC, spans of time seconds. An error is"
        ' `{"error": "one line"}` with a 4xx or 5xx status.\n'
    ]
    for title, prefixes in _GROUPS.items():
        group = [item for item in left if item.path.startswith(prefixes)]
        left = [item for item in left if item not in group]
        rows = [
            (f"`{item.method} {item.path}`", code(*item.query, *item.body), item.meaning) for item in group
        ]
        parts.append(f"### {title}\n\n" + table(("request", "takes", "answers"), rows))
    return "\n".join(parts)


def _endpoint(method: str, path: str, text: str) -> Endpoint:
    meaning, *rest = re.split(r"\n\s*\n", text)
    named = {}
    for block in rest:
        title, _, names = block.partition(":")
        if title in ("Query", "Body"):
            named[title] = tuple(name.strip(" .`\n") for name in names.split(","))
    meaning = " ".join(meaning.split())
    return Endpoint(method, path, meaning, named.get("Query", ()), named.get("Body", ()))
