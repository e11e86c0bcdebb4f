"""Values that complete an option or an argument: names that a running collector knows.

Somebody waits at a prompt: it is asked once, for a moment only, and where none answers there are no values.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["causes", "errors", "flows", "groups", "ids", "letter_topics", "places", "redrives", "steps",
           "stuck_causes", "topics"]  # fmt: skip

_TIMEOUT_SECONDS = 1.0
_MOST = 100
_MOST_CHARS = 200
_ASKED = 1_000
Item = CompletionItem[str]
Ask = Callable[..., Any]
Names = Callable[[Ask, click.Context, str], Iterable[str | tuple[str, str]]]
Completer = Callable[[click.Context, click.Parameter, str], list[Item]]


def _completer(names: Names) -> Completer:
    """Asks the collector that the command line or the environment names.

    Args:
        names: Given what asks it, the command line so far and how the value begins: names, or names with a word on each.
    """

    def complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
        # Whatever goes wrong, a traceback in a prompt helps nobody.
        with contextlib.suppress(Exception), _asking(context) as ask:
            return list(_items(names(ask, context, incomplete), incomplete))
        return []

    return complete


@contextlib.contextmanager
def _asking(context: click.Context) -> Iterator[Ask]:
    from flowtrail_collector.cli._client import DEFAULT_URL, CollectorClient

    url = context.params.get("url") or os.environ.get("FLOWTRAIL_COLLECTOR_URL") or DEFAULT_URL
    token = context.params.get("token") or os.environ.get("FLOWTRAIL_TOKEN")
    client = CollectorClient(url, token, timeout_seconds=_TIMEOUT_SECONDS)
    with contextlib.closing(client):
        yield lambda path, **query: client.get(f"/api/v1/{path}", query)


def _items(names: Iterable[str | tuple[str, str]], incomplete: str) -> Iterator[Item]:
    found: dict[str, str] = {}
    for each in names:
        name, word = (each, "") if isinstance(each, str) else each
        # What can't be typed doesn't complete anything; a name that begins with - would be taken for an option.
        fits = name.startswith(incomplete) and name.isprintable() and not name.startswith("-")
        if name and fits and len(name) <= _MOST_CHARS:
            found.setdefault(name, "".join(char for char in word if char.isprintable())[:_MOST_CHARS])
        if len(found) == _MOST:
            break
    for name in sorted(found):
        yield CompletionItem(name, help=found[name] or None)


@_completer
def groups(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Consumer groups."""
    for group in ask("lag", name=begins or None, limit=_ASKED)["groups"]:
        yield group["group"]


@_completer
def flows(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Flows of the flow file."""
    for flow in ask("flows")["flows"]:
        yield flow["name"]


@_completer
def steps(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Steps of the flow that the command line names, or of all."""
    wanted = context.params.get("flow")
    for flow in ask("flows")["flows"]:
        if wanted is None or flow["name"] == wanted:
            for step in flow["steps"]:
                yield step["name"]


@_completer
def topics(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Topics that hold events."""
    for topic in ask("topics")["topics"]:
        if not topic["dead_letters"]:
            yield topic["topic"]


@_completer
def letter_topics(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Topics that hold dead letters."""
    for topic in ask("topics")["topics"]:
        if topic["dead_letters"]:
            yield topic["topic"]


@_completer
def causes(ask: Ask, context: click.Context, begins: str) -> Iterator[tuple[str, str]]:
    """Causes of dead letters."""
    for cause in ask("dead-letters/causes", limit=_MOST)["causes"]:
        yield (
            cause["cause"],
            f"{cause['group'] or '?'}: {cause['error_type'] or '?'}: {cause['message'] or ''}",
        )


@_completer
def errors(ask: Ask, context: click.Context, begins: str) -> Iterator[str]:
    """Error types of dead letters."""
    for cause in ask("dead-letters/causes", limit=_MOST)["causes"]:
        yield cause["error_type"] or ""


@_completer
def stuck_causes(ask: Ask, context: click.Context, begins: str) -> Iterator[tuple[str, str]]:
    """Causes that instances are stuck for."""
    for cause in ask("sagas/causes", limit=_MOST)["causes"]:
        yield cause["cause"], f"{cause['flow']}: {cause['text']}"


@_completer
def ids(ask: Ask, context: click.Context, begins: str) -> Iterator[tuple[str, str]]:
    """Order ids that begin so; without a beginning, those of instances that need attention first."""
    if not begins:
        for saga in ask("sagas", limit=_MOST)["sagas"]:
            yield saga["subject"] or saga["key"], f"{saga['flow']}: {saga['outcome']}"
        return
    for each in ask("search", prefix=begins, limit=_MOST)["found"]:
        yield each["id"], f"{each['flow']}: {each['outcome']}"


@_completer
def places(ask: Ask, context: click.Context, begins: str) -> Iterator[tuple[str, str]]:
    """Where dead letters are, the newest ones."""
    for letter in ask("dead-letters", limit=_MOST)["dead_letters"]:
        place = f"{letter['topic']}/{letter['partition']}@{letter['offset']}"
        yield place, f"{letter['group'] or '?'}: {letter['error_type'] or '?'}"


@_completer
def redrives(ask: Ask, context: click.Context, begins: str) -> Iterator[tuple[str, str]]:
    """Redrives, the newest ones."""
    for job in ask("redrives", limit=_MOST)["redrives"]:
        yield job["id"], job["state"]
