"""What the history page says of durations, and of what isn't drawn, is never false."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flowtrail_collector.console import error_page
from flowtrail_collector.console._history import HistoryPages
from flowtrail_collector.history.model.blocks import Block
from flowtrail_collector.history.model.packing import Packed, pack
from flowtrail_collector.history.model.windows import HOUR, MINUTE
from flowtrail_collector.history.sources import EDGES, KINDS, LAG, MESSAGES, STEPS
from flowtrail_collector.history.view import History
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS
from flowtrail_collector.web.app import build_app

START = 1_767_225_600
END = START + 2 * HOUR
SECONDS_IN = {"ms": 0.001, "s": 1, "m": 60, "h": HOUR, "d": 24 * HOUR}
TOOK = st.lists(
    st.sampled_from([0.0, 0.049, 0.05, 2.5, 2.51, 604_800.0, 604_801.0]) | st.floats(0, 10**6), max_size=40
)


class Minutes:
    """An hour of steps of which it is known how long each took, kept as the store counts them: by buckets."""

    def __init__(self, minutes):
        counted = Block.empty(START, MINUTE, 60)
        for place, durations in enumerate(minutes):
            buckets = Counter(
                (
                    "f",
                    "charge",
                    next((str(bound) for bound in DURATION_BUCKETS_SECONDS if took <= bound), "+Inf"),
                )
                for took in durations
            )
            counted.note(place, buckets, MINUTE * 1000, whole=True)
        self._blocks = {STEPS: [Packed(pack(counted, KINDS[STEPS]))]}

    def read(self, of, start, end):
        return self._blocks.get(of, [])


def is_true(text, durations, percent):
    """Whether "what so many per cent took at most" is said truly."""
    if text.startswith("over "):
        return sum(took > seconds_of(text[5:]) for took in durations) * 100 > (100 - percent) * len(durations)
    return sum(took <= seconds_of(text) for took in durations) * 100 >= percent * len(durations)


def seconds_of(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h|d)", text).groups()
    return float(number) * SECONDS_IN[unit]


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(TOOK, min_size=1, max_size=8))
def test_what_is_said_of_durations_is_never_false(minutes):
    pages = HistoryPages(History(Minutes(minutes)), time_seconds=lambda: float(START + HOUR + 10))
    app = build_app(pages.routes(), token=None, on_error=lambda part, error: None, error_page=error_page)
    client = TestClient(app, headers={"accept": "text/html"})
    of_flow, of_all = (client.get(f"/history?window=1h{narrowed}").text for narrowed in ("&flow=f", ""))
    percents = [50, 95, 99]
    assert ("Step charge: what 50%, 95% and 99% took at most" in of_flow) is any(minutes)
    assert "Slowest steps: what 95% took at most" in of_all
    for place, durations in enumerate(minutes):
        row = re.search(rf'<th scope="row">00:{place:02}</th>(.*?)</tr>', of_flow)
        if not durations:
            assert row is None
            continue
        for percent, text in zip(percents, re.findall(r">([^<]+)</td>", row[1]), strict=True):
            assert is_true(text, durations, percent), (percent, text, sorted(durations))
        (of_slowest,) = re.findall(
            rf'<th scope="row">00:{place:02}</th><td class="number">([^<]+)</td>', of_all
        )
        assert is_true(of_slowest, durations, 95)


def test_lines_that_are_all_as_high_are_not_called_lower():
    idle = Block.empty(END - HOUR, MINUTE, 60)
    groups = {(f"group-{number}", MESSAGES): 0 for number in range(8)}
    edges = {("a", "t", f"service-{number}"): number + 1 for number in range(6)}
    for place in range(60):
        idle.note(place, groups, MINUTE * 1000, whole=False)
    busy = Block.empty(END - HOUR, MINUTE, 60)
    busy.note(30, edges, MINUTE * 1000, whole=True)

    class Kept:
        def read(self, of, start, end):
            return [Packed(pack(block, KINDS[of])) for block in {LAG: [idle], EDGES: [busy]}.get(of, [])]

    pages = HistoryPages(History(Kept()), time_seconds=lambda: END + 10.0)
    app = build_app(pages.routes(), token=None, on_error=lambda part, error: None, error_page=error_page)
    text = TestClient(app, headers={"accept": "text/html"}).get("/history?window=1h").text
    assert "3 more never got higher than these and aren’t drawn." in text
    assert "1 more had no more events than these and isn’t drawn." in text
    assert "lower" not in text
