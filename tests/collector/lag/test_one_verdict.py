"""One verdict on a group, from one place: every surface says of each state what every other one says."""

from __future__ import annotations

import html
import itertools
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from flowtrail_collector.cli._top_figures import Figures
from flowtrail_collector.cli._top_screen import screen
from flowtrail_collector.cli.lag import _page
from flowtrail_collector.console._render import render
from flowtrail_collector.lag.model import GroupReading, Status, TopicSums
from flowtrail_collector.lag.model._layout import TopicSlice
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.mcp.results import Groups
from flowtrail_collector.oncall.changes import group_ill
from flowtrail_collector.oncall.memory import Lasting
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.sagas.stuck import stuck_reason

NOW = 1_000.0
KINDS = {"consumer": "billing", "queue": "rabbitmq:orders.billing"}
STEP = StepView("charge", "open", ("PaymentCompleted",), "billing", 1, late=True)
SAGA = SagaView("orders", "o-1", "open", 0, steps=(STEP,))


def possible():
    """Each state that a collection can come to: records wait, or none do, and somebody reads, nobody, or nobody knows."""
    for kind, status, members, lag, age in itertools.product(
        KINDS, [None, *Status], (0, 2, None), (0, 7, None), (0.0, 900.0)
    ):
        # What nobody reads is stopped, or has only just been moved back.
        if (
            members == 0
            and lag
            and status not in (Status.STOPPED, Status.REWOUND, Status.LOSING, Status.BEYOND)
        ):
            continue
        if status in (Status.STOPPED, Status.STALLED, Status.BEHIND, Status.UNCOMMITTED) and not lag:
            continue
        if members == 0 and status in (Status.STALLED, Status.UNCOMMITTED):
            continue
        if status is Status.STOPPED and members is None:
            continue
        yield kind, status, members, lag, age


def view_of(kind, status, members, lag, age):
    never = float("inf") if lag else 0.0
    sums = TopicSums([status], [lag], [lag or 0], [1], [1], [3.0], [never], [None], [0], [0.0], [1.0])
    reading = GroupReading(
        KINDS[kind], kind, "stable" if members else "empty", NOW - age, slices=[TopicSlice("orders", 0, 1)],
        topics=sums, status=status, sum_lag=lag, members=members, max_seconds=3.0 if lag else 0.0,
    )  # fmt: skip
    view = LagView(clock=lambda: NOW)
    view.publish([reading], NOW, ())
    return view, reading


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def surfaces(view, group):
    """What each surface says of the only group."""
    overview = view.overview()
    console = Console(width=10_000, record=True)
    with console.capture() as told:
        console.print(_page(overview, console, 10), soft_wrap=True)
    yield "lag", told.get()
    with console.capture() as told:
        console.print(_page(view.detail(group["group"]), console, 10), soft_wrap=True)
    yield "lag --group", told.get()
    status = {"version": "1", "parts": {}}
    figures = Figures("url", datetime.now(UTC), status, [], [], overview["groups"], 0, [])
    yield "top", "\n".join(line.plain for line in screen(figures, "", None, None))
    yield (
        "/lag",
        text_of(
            render("lag.html", wanted="", path="/lag", sparks={}, unknown=None, **({"unread": {}} | overview))
        ),
    )
    (answer,) = Groups.model_validate({"groups": overview["groups"]}).model_dump()["groups"]
    yield "tools", answer["verdict"] or "?"


@pytest.mark.slow
@pytest.mark.parametrize("state", list(possible()), ids=str)
def test_every_surface_says_the_same(state):
    view, _reading = view_of(*state)
    kind, status, members, _lag, age = state
    (group,) = view.overview()["groups"]
    verdict = group["verdict"]
    for name, said in surfaces(view, group):
        if name == "/lag" and verdict is None:
            assert "not known yet" in said
        else:
            assert (verdict or "?") in said, (name, said)
        if members == 0 or age:
            assert "keeps pace" not in said, (name, said)
        if name in ("/lag", "lag --group") and group["says"]:
            # The page doesn't say it twice where the verdict does.
            assert group["says"].removeprefix("has ") in said, (name, said)
    nobody = "no consumers" if kind == "queue" else "no members"
    assert (nobody in f"{verdict} {group['says']}") is (
        members == 0 and status not in (Status.LOSING, Status.BEYOND)
    )
    assert ("ago" in (verdict or "")) is bool(age)


@pytest.mark.slow
@pytest.mark.parametrize("state", list(possible()), ids=str)
def test_who_waits_for_a_group_and_who_is_on_call_hear_it_in_the_same_words(state):
    view, reading = view_of(*state)
    _kind, status, members, lag, _age = state
    (group,) = view.overview()["groups"]
    sentence = stuck_reason(SAGA, [], view.progress)
    assert sentence is not None
    knows_nothing = status is None and members is None and lag is None
    if group["says"] and status is not Status.BEHIND and not knows_nothing and "which" in sentence:
        assert group["says"] in sentence
    if members == 0 and status not in (Status.LOSING, Status.BEYOND):
        assert group["says"] in sentence
    if group["status"] is not None and needs_attention(group["status"]):
        change = group_ill(Lasting(reading.group, group["status"], None, 0), reading, 1)
        assert group["says"] in change.text
