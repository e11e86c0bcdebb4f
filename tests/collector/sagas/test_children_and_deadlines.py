"""A deadline of a step that waits for children: they may open it again when it had failed."""

from __future__ import annotations

import pytest

from sagakit import Happening, core

ORDER = """\
flows:
  order:
    starts: Placed
    steps:
      ship: {children: {flow: shipment, parent: {field: $.order}}, within: 18s}
      bill: {done: Billed, within: 90s}
    completes: Billed
    cancels: Cancelled
  shipment:
    starts: Handed
    steps:
      carry: {done: Delivered, failed: Lost, within: 20s}
    completes: Delivered
    cancels: Lost
"""
THEN = {
    "still open": "",
    "ends well": "32:Delivered:p1",
    "fails again": "32:Lost:p1",
    "fails again, and the flow is cancelled": "32:Lost:p1 34:Cancelled",
}


def events(story):
    """`12:Handed:p1`: at 12 s; of parcel p1, if there is one, of order o1."""
    for word in story.split():
        at, kind, *parcel = word.split(":")
        payload = {"order": "o1"} if kind == "Handed" else None
        key = parcel[0] if parcel else "o1"
        yield Happening(kind, 1_000 * int(at), f"{at}-{key}", flow=key, subject=None, payload=payload)


@pytest.mark.parametrize("then", THEN.values(), ids=THEN)
@pytest.mark.parametrize("ahead", [0, 3, 12])
@pytest.mark.parametrize("every", [1, 5, 100])
def test_one_that_passed_while_the_step_stood_failed_counts_once_a_child_opens_it_again(
    tmp_path, then, ahead, every
):
    """It is at 19 s, and the child begins again at 30: read so many seconds ahead of what is known."""
    left = list(events(f"1:Placed 3:Handed:p1 8:Lost:p1 30:Handed:p1 {then}"))
    with core(tmp_path, ORDER) as made:
        for now in range(0, 101, every):
            read = [item for item in left if item.at_ms <= 1_000 * (now + ahead)]
            left = left[len(read) :]
            made.read(read, until_ms=1_000 * now)
            made.pass_time(1_000 * now)
            if now < 30:
                assert ("deadline_breaches", "order", "ship") not in made.counters()
        assert made.counters()["deadline_breaches", "order", "ship"] == 1
