"""What is owed after a cancellation, and whose turn it is in which round: stories and what is said of them."""

from __future__ import annotations

import itertools

import pytest

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import SETTLE_MS, Outcome, assess


def events(*happened):
    """An instance's events from (type, time in ms)."""
    return {number: (at_ms, kind, 0) for number, (kind, at_ms) in enumerate(happened, 1)}


TRIP = parse_flows("""\
flows:
  trip:
    starts: Asked
    steps:
      hotel: {done: HotelBooked, failed: HotelFull, undone: HotelReleased, after: start}
      car: {done: [CarBooked, VanBooked], undone: CarReleased, after: start}
      parcels: {done: Sent, undone: Returned, times: 3, after: start}
    completes: Confirmed
    cancels: Cancelled
""").by_name["trip"]
OWED = {
    "once, and taken back": ("Asked HotelBooked Cancelled HotelReleased", "compensated", ()),
    "again after it was taken back": ("Asked HotelBooked HotelReleased HotelBooked Cancelled", "open", ["hotel"]),
    "twice, taken back once": ("Asked CarBooked VanBooked Cancelled CarReleased", "open", ["car"]),
    "twice, taken back twice": ("Asked CarBooked VanBooked Cancelled CarReleased CarReleased", "compensated", ()),
    "some of several, one returned": ("Asked Sent Sent Cancelled Returned", "open", ["parcels"]),
    "some of several, all returned": ("Asked Sent Sent Cancelled Returned Returned", "compensated", ()),
    "after the cancellation": ("Asked HotelBooked Cancelled CarBooked HotelReleased", "open", ["car"]),
    "after the cancellation, taken back": (
        "Asked HotelBooked Cancelled CarBooked HotelReleased CarReleased", "compensated", ()),
    "after all was settled": ("Asked HotelBooked Cancelled HotelReleased CarBooked", "compensated", ()),
    "before the cancellation": ("Asked HotelBooked HotelReleased Cancelled", "compensated", ()),
    "taken back twice, then done again": (
        "Asked HotelBooked HotelReleased HotelReleased HotelBooked Cancelled", "open", ["hotel"]),
    "taken back, its doing never seen": ("Asked Cancelled CarReleased", "failed", ()),
    "nothing to take back": ("Asked HotelFull Cancelled", "failed", ()),
}  # fmt: skip


@pytest.mark.parametrize(("story", "outcome", "owed"), OWED.values(), ids=OWED)
def test_what_is_owed(story, outcome, owed):
    """Events ten seconds apart; nothing is over before everything done was taken back as often."""
    progress = assess(TRIP, events(*[(kind, 10_000 * n) for n, kind in enumerate(story.split())]))
    assert (progress.outcome, list(progress.not_undone)) == (outcome, list(owed))


def test_clocks_that_disagree_put_no_taking_back_before_its_doing():
    within = [("Asked", 0), ("HotelReleased", 50), ("HotelBooked", 50 + SETTLE_MS), ("Cancelled", 90)]
    assert assess(TRIP, events(*within)).outcome is Outcome.COMPENSATED
    beyond = [("Asked", 0), ("HotelReleased", 50), ("HotelBooked", 51 + SETTLE_MS), ("Cancelled", 90)]
    assert assess(TRIP, events(*beyond)).not_undone == ("hotel",)


CLAIM = parse_flows("""\
flows:
  claim:
    starts: Filed
    steps:
      check: {done: Checked, failed: Incomplete, within: 100s}
      approve: {done: Approved, failed: Rejected, again_after: Resubmitted, within: 200s}
      pay: {done: Paid, failed: NoFunds, within: 300s}
    completes: Closed
    cancels: Withdrawn
""").by_name["claim"]
ROUNDS = {
    "again by the file's word": ("Filed Checked Rejected Resubmitted", "done open waiting", [1, 4, None]),
    "again before the step failed": ("Filed Checked Resubmitted Rejected", "done failed waiting", [1, 3, None]),
    "again, and done": ("Filed Checked Rejected Resubmitted Approved", "done done open", [1, 4, 5]),
    "again though it was done": ("Filed Checked Approved Resubmitted", "done open waiting", [1, 4, None]),
    "what follows is to be done anew": (
        "Filed Checked Approved Paid Resubmitted Approved", "done done open", [1, 5, 6]),
    "failed in the second round": (
        "Filed Checked Rejected Resubmitted Rejected", "done failed waiting", [1, 4, None]),
    "what brought its turn comes again": ("Filed Checked Rejected Checked", "done open waiting", [1, 4, None]),
    "the start comes again": ("Filed Incomplete Filed", "open waiting waiting", [3, None, None]),
    "nothing failed, and it comes again": ("Filed Checked Checked", "done open waiting", [1, 2, None]),
    "failed after it came again": ("Filed Checked Checked Rejected", "done failed waiting", [1, 2, None]),
    "failed before its turn": ("Filed Rejected Checked", "done failed waiting", [1, 3, None]),
}  # fmt: skip


@pytest.mark.parametrize(("story", "steps", "turns"), ROUNDS.values(), ids=ROUNDS)
def test_rounds(story, steps, turns):
    """`turns` says with which of the events, counted from 1, each step had its last turn."""
    happened = [(kind, 10_000 * number) for number, kind in enumerate(story.split(), 1)]
    progress = assess(CLAIM, events(*happened))
    assert [item.state.value for item in progress.steps] == steps.split()
    assert [item.since_ms for item in progress.steps] == [turn and 10_000 * turn for turn in turns]


ANY_OF = parse_flows("""\
flows:
  parcel:
    starts: Packed
    steps:
      courier: {done: Sent, failed: Lost, within: 30s}
      locker: {done: Stored, failed: Full, instead_of: courier, within: 20s}
      drone: {done: Flown, failed: Windy, instead_of: courier, within: 10s}
    completes: Billed
    cancels: Cancelled
""").by_name["parcel"]


@pytest.mark.parametrize("failing", list(itertools.permutations(["Lost", "Full", "Windy"])))
@pytest.mark.parametrize("failed_at", [0, 2])
def test_alternatives_have_every_turn_together(failing, failed_at):
    """Whether they failed before or after the turn that the first start brought."""
    failed = [(kind, 10_000 * (failed_at + n)) for n, kind in enumerate(failing)]
    progress = assess(ANY_OF, events(("Packed", 15_000), *failed, ("Packed", 70_000), ("Full", 80_000)))
    assert [item.since_ms for item in progress.steps] == [70_000] * 3
    assert [item.deadline_ms for item in progress.steps] == [100_000] * 3


TRIED_AGAIN = {
    "by the start": ("gift: {done: Wrapped, failed: Torn, optional: true, after: start}", "Torn", "Placed"),
    "by the step before": ("gift: {done: Wrapped, failed: Torn, optional: true, after: check}", "Torn", "Checked"),
    "by its command": ("gift: {done: Wrapped, failed: Torn, optional: true, after: start, asks: Wrap}", "Torn", "Wrap"),
    "all ways of it": (
        "gift: {done: Wrapped, failed: Torn, optional: true, after: start}, "
        "card: {done: Written, failed: Blotted, instead_of: gift}", "Torn Blotted", "Placed"),
}  # fmt: skip
BEHIND = {
    "it": "ship: {done: Shipped, failed: Sunk, after: gift, within: 90s}",
    "it and another one": "ship: {done: Shipped, failed: Sunk, after: [gift, check], within: 90s}",
    "an optional one behind it": (
        "bow: {done: Tied, optional: true, after: gift}, ship: {done: Shipped, failed: Sunk, after: bow, within: 90s}"),
    "it, in two ways": (
        "ship: {done: Shipped, failed: Sunk, after: gift, within: 90s}, "
        "fetch: {done: Fetched, instead_of: ship, within: 90s}"),
}  # fmt: skip


@pytest.mark.parametrize(("gift", "fails", "brings"), TRIED_AGAIN.values(), ids=TRIED_AGAIN)
@pytest.mark.parametrize("ship", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("then", ["", "Shipped", "Sunk Shipped"])
def test_an_optional_step_that_is_tried_again_changes_no_turn_behind_it(gift, fails, brings, ship, then):
    steps = f"steps: {{check: {{done: Checked}}, {gift}, {ship}}}"
    flow = parse_flows(
        f"flows: {{f: {{starts: Placed, {steps}, completes: Closed, cancels: Stop}}}}"
    ).by_name["f"]
    story = [(kind, 10_000 * n) for n, kind in enumerate(f"Placed Checked {fails} {then}".split(), 1)]
    once = {item.step.name: item for item in assess(flow, events(*story)).steps}
    again = {item.step.name: item for item in assess(flow, events(*story, (brings, 200_000))).steps}
    assert (once["gift"].state, again["gift"].state) == ("failed", "waiting")
    assert (again["gift"].since_ms, again["gift"].round_ms) == (200_000, 200_000)
    assert once["ship"].deadline_ms == once["ship"].since_ms + 90_000
    assert again["ship"] == once["ship"]


def test_a_failed_step_that_may_come_again_ends_no_flow_and_is_waited_for():
    flow = parse_flows(
        "flows: {f: {starts: A, steps: {s: {done: B, failed: C, again_after: R, within: 5s}}, completes: B}}"
    ).by_name["f"]
    progress = assess(flow, events(("A", 0), ("C", 5)))
    assert (progress.outcome, progress.steps[0].waits) == (Outcome.OPEN, True)
    assert assess(flow, events(("A", 0), ("C", 5), ("R", 7))).steps[0].deadline_ms == 5_007
    assert assess(flow, events(("A", 0), ("C", 5), ("R", 7), ("B", 9))).outcome is Outcome.COMPLETED
