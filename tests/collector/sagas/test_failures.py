"""What fails when a part of it fails: a step, what stands beside or instead of others, one of several children."""

from __future__ import annotations

import itertools
import json

import pytest

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.trial import Occasion, drive

GIFT = "gift: {done: Wrapped, failed: WrapFailed, optional: true, within: 1h}"
SHIP = "ship: {done: Shipped, failed: ShipFailed, within: 1h}"
COURIER = "courier: {done: Handed, failed: NobodyHome, within: 1h}"
LOCKER = "locker: {done: Stored, failed: LockerFull, instead_of: courier, within: 2h}"
DRONE = "drone: {done: Flown, instead_of: courier, within: 2h}"


def flow(*steps, cancels=False):
    lines = "\n".join(f"      {step}" for step in steps)
    end = "    cancels: Cancelled\n" if cancels else ""
    return f"flows:\n  order:\n    starts: Placed\n    steps:\n{lines}\n    completes: Closed\n{end}    within: 1d\n"


def told(flows, story, flow="order"):
    """What is told of an instance; events a minute apart, `Type:key:json` if they aren't the order's own."""
    occasions = []
    for number, word in enumerate(story.split()):
        kind, _, rest = word.partition(":")
        key, _, payload = rest.partition(":")
        data = json.dumps({"order": payload}).encode() if payload else None
        occasions.append(Occasion(60_000 * number, kind, key or "o", data))
    return [item for item in drive(parse_flows(flows), occasions) if item.flow == flow]


def outcome(found):
    return [item.text for item in found if not item.because and "stuck" not in item.text]


ENDS = {
    "a step": ((SHIP,), "Placed ShipFailed Closed", "failed"),
    "an optional step": ((GIFT, SHIP), "Placed WrapFailed Shipped Closed", "completed"),
    "an optional step, and one that isn't": ((GIFT, SHIP), "Placed WrapFailed ShipFailed Closed", "failed"),
    "one of two ways": ((COURIER, LOCKER), "Placed NobodyHome Stored Closed", "completed"),
    "the other of two ways": ((COURIER, LOCKER), "Placed LockerFull Handed Closed", "completed"),
    "both ways": ((COURIER, LOCKER), "Placed NobodyHome LockerFull Closed", "failed"),
    "two of three ways": ((COURIER, LOCKER, DRONE), "Placed NobodyHome LockerFull Flown Closed", "completed"),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "story", "expected"), ENDS.values(), ids=ENDS)
def test_what_ends_a_flow_that_nothing_cancels(steps, story, expected):
    """In every order of what comes between start and end."""
    first, *between, last = story.split()
    for order in itertools.permutations(between):
        assert outcome(told(flow(*steps), " ".join((first, *order, last)))) == [expected]


CHILDREN = """\
  quote:
    starts: Asked
    steps:
      answer: {done: Quoted, failed: Refused, within: 3h}
    completes: Quoted
    cancels: Refused
"""


def asking(every, *, cancels=True, times=""):
    step = (
        f"quotes: {{children: {{flow: quote, parent: {{field: $.order}}, all: {every}}}{times}, within: 1h}}"
    )
    return flow(step, "bill: {done: Billed, within: 1h}", cancels=cancels) + CHILDREN


TWO = "Placed Asked:q1:o Asked:q2:o"
PARENT = {
    "one is enough, and one refused": ("false", f"{TWO} Refused:q1", "waits for quotes"),
    "one is enough, and all refused": ("false", f"{TWO} Refused:q1 Refused:q2", "quotes failed; waits for Cancelled"),
    "one is enough, and another is asked": (
        "false", f"{TWO} Refused:q1 Refused:q2 Asked:q3:o", "waits for quotes"),
    "one is enough, and the last one quotes": (
        "false", f"{TWO} Refused:q1 Refused:q2 Asked:q3:o Quoted:q3", "quotes done; waits for bill"),
    "one is enough, and has quoted before": (
        "false", f"{TWO} Quoted:q1 Refused:q2", "quotes done; waits for bill"),
    "all are wanted, and one refused": ("true", f"{TWO} Refused:q1", "quotes failed; waits for Cancelled"),
    "all are wanted, and that one is asked again": (
        "true", f"{TWO} Refused:q1 Asked:q1:o", "waits for quotes"),
    "all are wanted, and another one is asked": (
        "true", f"{TWO} Refused:q1 Asked:q3:o", "quotes failed; waits for Cancelled"),
    "all are wanted, and that one quotes the second time": (
        "true", f"{TWO} Refused:q1 Quoted:q2 Asked:q1:o Quoted:q1", "quotes done; waits for bill"),
    "all are wanted, and that one refuses again": (
        "true", f"{TWO} Refused:q1 Asked:q1:o Refused:q1", "quotes failed; waits for Cancelled"),
}  # fmt: skip


@pytest.mark.parametrize(("every", "story", "text"), PARENT.values(), ids=PARENT)
def test_what_a_parent_says_when_children_fail(every, story, text):
    said = [item.text for item in told(asking(every), story) if item.because][-1]
    assert said.partition(" (")[0] == text


SAID = {
    "two quoted": (f"{TWO} Quoted:q1 Quoted:q2", "quotes done; waits for bill"),
    "one is asked again after it quoted": (f"{TWO} Quoted:q1 Asked:q1:o Quoted:q2", "waits for quotes (1 of 2)"),
    "one is asked again after both quoted": (f"{TWO} Quoted:q1 Quoted:q2 Asked:q1:o", "quotes done; waits for bill"),
    "one quoted twice": (f"{TWO} Quoted:q1 Asked:q1:o Quoted:q1", "waits for quotes (1 of 2)"),
    "one refused after it quoted": (
        f"{TWO} Quoted:q1 Asked:q1:o Refused:q1 Quoted:q2", "quotes failed; waits for Cancelled"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "text"), SAID.values(), ids=SAID)
def test_of_as_many_children_as_it_takes_each_counts_as_it_stands(story, text):
    flows = asking("true", times=", times: 2")
    assert [item.text for item in told(flows, story) if item.because][-1] == text


ROUNDS = {
    "one that began in the round before arrives": (f"{TWO} Redo Asked:q3:o Quoted:q1 Quoted:q2", "waits for quotes (0 of 1)"),
    "one that began in the round before fails": (f"{TWO} Redo Asked:q3:o Refused:q1", "waits for quotes (0 of 1)"),
    "one of this round arrives": (f"{TWO} Redo Asked:q3:o Quoted:q3", "quotes done; waits for bill"),
    "one of this round fails": (f"{TWO} Redo Asked:q3:o Refused:q3", "quotes failed; waits for Cancelled or Redo"),
    "one is asked again": (f"{TWO} Refused:q1 Redo Asked:q1:o Quoted:q1 Quoted:q2", "quotes done; waits for bill"),
    "one that began before the end arrives": (
        f"{TWO} Closed Placed Quoted:q1 Asked:q3:o Quoted:q2", "waits for quotes (0 of 1)"),
    "one that began before the end fails": (f"{TWO} Closed Placed Asked:q3:o Refused:q2", "waits for quotes (0 of 1)"),
    "one that began after it arrives": (
        f"{TWO} Closed Placed Quoted:q1 Asked:q3:o Quoted:q3", "quotes done; waits for bill"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "text"), ROUNDS.values(), ids=ROUNDS)
def test_only_children_that_have_begun_in_it_count_for_a_round_or_an_instance(story, text):
    flows = asking("true").replace(", within: 1h}", ", again_after: Redo, within: 1h}", 1)
    assert [item.text for item in told(flows, story) if item.because][-1] == text


BROUGHT = {
    "while one stands refused": (
        "Packed Asked:q1:o Asked:q2:o Refused:q1 Packed Asked:q1:o Quoted:q1", "pack done; quotes done; waits for bill"),
    "after that one was asked again": (
        "Packed Asked:q1:o Asked:q2:o Refused:q1 Asked:q1:o Packed Quoted:q1", "pack done; waits for quotes (1 of 2)"),
    "twice": (
        "Packed Asked:q1:o Refused:q1 Packed Asked:q1:o Refused:q1 Packed Asked:q1:o", "pack done; waits for quotes (0 of 1)"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "text"), BROUGHT.values(), ids=BROUGHT)
def test_a_step_that_stood_failed_when_it_was_brought_again_is_in_another_round_whatever_comes_then(
    story, text
):
    step = "pack: {done: Packed, within: 1h}"
    flows = asking("true").replace("      quotes:", f"      {step}\n      quotes:")
    assert [item.text for item in told(flows, f"Placed {story}") if item.because][-1] == text


WITHOUT = {
    "one is enough, and one refused": ("false", f"{TWO} Refused:q1 Quoted:q2 Billed Closed", ["completed"]),
    "one is enough, and all refused": ("false", f"{TWO} Refused:q1 Refused:q2 Billed Closed", ["failed"]),
    "all are wanted, and one refused": ("true", f"{TWO} Quoted:q2 Refused:q1 Asked:q1:o Closed", ["failed"]),
    "all are wanted, and one refused that began before the last end": (
        "true", f"{TWO} Closed Placed Refused:q1", ["completed", "timed_out"]),
}  # fmt: skip


@pytest.mark.parametrize(("every", "story", "ends"), WITHOUT.values(), ids=WITHOUT)
def test_a_parent_that_nothing_cancels_ends_when_the_step_has_failed(every, story, ends):
    assert outcome(told(asking(every, cancels=False), story)) == ends


TAKEN_BACK = {
    "none": ("", "to be undone: quotes", ["timed_out"]),
    "one of two": ("Withdrawn", "to be undone: quotes", ["timed_out"]),
    "both": ("Withdrawn Withdrawn", "quotes undone", ["compensated"]),
}


@pytest.mark.parametrize(("back", "text", "ends"), TAKEN_BACK.values(), ids=TAKEN_BACK)
def test_what_takes_children_back_takes_one_at_a_time(back, text, ends):
    """No payload says which of them, so they are matched in order; one that refused is not owed."""
    flows = asking("true").replace(", within: 1h}", ", undone: Withdrawn, within: 1h}", 1)
    found = told(flows, f"{TWO} Quoted:q1 Quoted:q2 Asked:q3:o Refused:q3 Cancelled {back}".strip())
    assert ([item.text for item in found if item.because][-1].split("; ")[-1], outcome(found)) == (text, ends)
