"""What happened more than once and what is owed is said: by the API, on the terminal, in the console."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from flowtrail_collector.cli._trail_view import TrailView
from flowtrail_collector.console import trail_document
from flowtrail_collector.sagas.json import saga_json
from flowtrail_collector.sagas.words import expected_words, forecast_words, past_words, risk_words
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.json import trail_json
from flowtrail_collector.trails.sql import TrailReads
from sagakit import Happening, core
from trailkit.fakes import FakeSpans

CLAIMS = """\
flows:
  claim:
    starts: Filed
    steps:
      check: {done: Checked, failed: Incomplete}
      approve: {done: Approved, failed: Rejected, again_after: Resubmitted}
      pay: {done: Paid, undone: PaidBack}
    completes: Closed
    cancels: Withdrawn
"""
BEGAN_MS = 1_700_000_000_000
STORIES = {
    "one round": ((("Filed", 0), ("Checked", 1), ("Rejected", 2)), []),
    "two rounds": (
        (("Filed", 0), ("Checked", 1), ("Rejected", 2), ("Resubmitted", 9), ("Approved", 10)),
        ["approve is in round 2: round 1 failed 2023-11-14 22:13:22.000 UTC"],
    ),
    "three rounds, one without an answer": (
        (("Filed", 0), ("Checked", 1), ("Rejected", 2), ("Resubmitted", 9), ("Resubmitted", 20)),
        ["approve is in round 3: round 1 failed 2023-11-14 22:13:22.000 UTC; round 2 not done"],
    ),
    "started again": (
        (("Filed", 0), ("Filed", 1), ("Filed", 5), ("Checked", 6)),
        ["it was started 2 more times before it ended"],
    ),
    "owed once": (
        (("Filed", 0), ("Checked", 1), ("Approved", 2), ("Paid", 3), ("Withdrawn", 9)),
        ["pay still has to be undone once: PaidBack is owed"],
    ),
    "owed twice of three": (
        (("Filed", 0), ("Paid", 3), ("Paid", 4), ("Paid", 5), ("PaidBack", 6), ("Withdrawn", 9)),
        ["pay still has to be undone twice: PaidBack is owed"],
    ),
    "nothing is owed": (
        (("Filed", 0), ("Checked", 1), ("Approved", 2), ("Paid", 3), ("Withdrawn", 9), ("PaidBack", 10)),
        [],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_said_everywhere(tmp_path, story):
    events, said = STORIES[story]
    with core(tmp_path, CLAIMS) as made:
        made.read(
            Happening(kind, BEGAN_MS + 1_000 * at, f"e{number}", subject="c-1")
            for number, (kind, at) in enumerate(events)
        )
        reads = TrailReads(made.database, made.flows)
        (saga,) = reads.sagas(["f1"], [], 10)
        found = TrailFinder(reads, FakeSpans(), made.flows).find("c-1")
    assert list(past_words(saga_json(saga))) == said
    trail = trail_json(found.trail)
    console = Console(record=True, width=200, file=io.StringIO())
    TrailView(console, trail).print()
    shown = console.export_text()
    page = trail_document(trail, "c-1")
    for sentence in said:
        assert sentence in shown
        assert sentence in page


def saga_with(forecast, **step) -> dict:
    return {"steps": [{"name": "pay", **step}], "forecast": forecast}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORECAST = {
    "remaining": ["charge", "ship"], "expected_end": "2026-01-01T00:03:00Z", "earliest_end": "2026-01-01T00:01:00Z",
    "latest_end": "2026-01-01T00:09:30Z", "comparable_instances": 412, "unknown": None,
    "risks": [{"step": "charge", "deadline": "2026-01-01T00:00:30Z", "probability": 0.834},
              {"step": None, "deadline": "2026-01-01T00:05:00Z", "probability": 0.5}],
}  # fmt: skip


def test_a_forecast_in_words():
    assert list(forecast_words(saga_with(FORECAST), now=NOW)) == [
        "still to come: charge, ship",
        "expected to end in 3m 00s (1m 00s to 9m 30s), based on 412 instances like this one",
        "will probably miss the deadline of charge in 30.0s (2026-01-01 00:00:30.000 UTC, 83% likely)",
        "will probably miss the time limit of its flow in 5m 00s (2026-01-01 00:05:00.000 UTC, 50% likely)",
    ]
    unknown = FORECAST | {"expected_end": None, "unknown": "3 instances completed so far", "risks": []}
    assert list(forecast_words(saga_with(unknown), now=NOW)) == [
        "still to come: charge, ship",
        "expected end unknown: 3 instances completed so far",
    ]
    back = saga_with(unknown | {"remaining": ["pay"]}, owed_times=1)
    assert next(forecast_words(back)) == "still to be undone: pay"
    ended = saga_with(None)
    assert [*forecast_words(ended), *risk_words(ended), expected_words(ended)] == [""]
