"""Command line and console say of a group's status and pace what the documentation says, in the same words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowtrail_collector.console._map import flow_map
from flowtrail_collector.console._map_health import health_of
from flowtrail_collector.console._render import render, static_text
from flowtrail_collector.lag.model._status import Status
from flowtrail_collector.lag.words import catch_up_words, needs_attention, status_words, verdict_words
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.topology.view import TopologyView

STATUSES = [status.name.lower() for status in Status]
HARMLESS = {"ok", "rewound"}


def reading(status: str | None, *, catching_up: bool | None = None, seconds: float | None = None):
    return {
        "status": status, "verdict": verdict_words(status), "says": status_words(status), "age_seconds": None,
        "catching_up": catching_up, "catch_up_seconds": seconds,
    }  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_explained_and_has_its_colour(status: str) -> None:
    assert bool(status_words(status)) is (status != "ok")
    assert needs_attention(status) is (status not in HARMLESS)
    assert re.search(
        rf"\.{status}\b[^{{]*{{ color: var\(--(good|info|warn|bad)\)", static_text("console.css")
    )


@pytest.mark.parametrize("status", STATUSES)
def test_the_map_marks_a_reader_that_needs_attention_and_says_why(status: str) -> None:
    topic = {"topic": "orders", "lag": 3, "status": status}
    group = {
        "group": "billing",
        "status": status,
        "verdict": status,
        "says": status_words(status),
        "topics": [topic],
    }
    views = TopologyView(lambda: {EdgeKey("shop", "orders", "billing"): Edge(1, 0.5)}).edges()
    drawn = flow_map(views, health_of([group], ["orders"]))
    assert any(line.arrow.level for line in drawn.drawing.lines) is needs_attention(status)
    billing = next(node for node in drawn.drawing.nodes if node.name == "billing")
    assert bool(billing.level) is needs_attention(status)
    assert status == "ok" or f"{status}: {status_words(status)}" in billing.says


def test_what_is_not_known_needs_no_attention_and_has_no_words() -> None:
    assert (status_words(None), needs_attention(None)) == ("", False)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (reading("ok", catching_up=False), "keeps pace"),
        (reading("behind", catching_up=False), "never"),
        (reading(None, catching_up=False), "never"),
        (reading("behind", catching_up=True, seconds=90.0), "1m 30s"),
        (reading("ok", catching_up=True, seconds=0.0), "0s"),
        (reading("ok"), ""),
    ],
)
def test_how_a_group_catches_up_is_said_alike_everywhere(entry: dict[str, object], words: str) -> None:
    assert catch_up_words(entry) == words
    group = {
        **entry, "group": "billing", "lag": 1, "lag_seconds": 1.0, "messages_lost": 0, "members": 1, "topics": [],
    }  # fmt: skip
    page = render(
        "lag.html",
        failures=[],
        groups=[group],
        collected_at=None,
        wanted="",
        path="/lag",
        sparks={},
        unread={},
        unknown=None,
    )
    assert f'<td data-label="Time to catch up" class="number">{words}</td>' in page


def test_the_console_names_columns_as_the_command_line_does() -> None:
    macros = (
        Path(__file__).parents[3] / "collector/flowtrail_collector/console/templates/_macros.html"
    ).read_text()
    head = re.search(r"<tr><th>Group</th>.*", macros)
    assert head is not None
    names = re.findall(r"<th[^>]*>([^<]+)</th>", head[0])
    page = (Path(__file__).parents[3] / "docs/lag.md").read_text()
    printed = re.search(r"^GROUP .*$", page, re.M)
    assert printed is not None
    shown = re.split(r"  +", printed[0])
    drawn = "LAST 6 HOURS"  # a picture: the console's alone
    assert [upper for name in names if (upper := name.upper()) != drawn] == [
        name for name in shown if name != "STATE"
    ]
