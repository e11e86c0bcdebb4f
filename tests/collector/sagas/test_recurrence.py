"""A start after the end is a new instance under the same key, whatever was read first."""

from __future__ import annotations

import random

import pytest

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.owners import as_written
from flowtrail_collector.sagas.sql.reads import SagaReads
from flowtrail_collector.sagas.trial import Occasion, drive
from sagakit import Happening, core

MONTHLY = """\
flows:
  renewal:
    starts: Renewed
    steps:
      charge: {done: Charged, failed: Declined, within: 5s}
      deliver: {done: Delivered, within: 30s}
    completes: Delivered
    cancels: Ended
    within: 60s
"""


def month(number, *kinds):
    return [Happening(kind, 100_000 * number + 1_000 * at, id=f"{number}-{kind}-{at}") for at, kind in kinds]


YEAR = [
    *month(1, (0, "Renewed"), (2, "Charged"), (4, "Delivered"), (9, "Charged")),
    *month(2, (0, "Renewed"), (1, "Renewed"), (8, "Charged"), (9, "Delivered"), (12, "Ended")),
    *month(3, (0, "Renewed"), (2, "Declined"), (3, "Ended")),
    *month(4, (0, "Renewed"), (2, "Charged")),
    *month(5, (0, "Renewed"), (2, "Charged")),
]
COUNTED = {
    "started": 5, "repeated_starts": 1, "late_events": 2, "conflicts": 1, "deadline_breaches": 3,
}  # fmt: skip
BECAME = [("completed", 1, 0), ("completed", 2, 1), ("failed", 3, 0), ("timed_out", 4, 0), ("open", 5, 0)]


def reads(made) -> SagaReads:
    def letters(ids) -> dict[str, list[DeadLetter]]:
        return {}

    return SagaReads(made.database, made.flows, owner_of=as_written, pending_letters=letters)


def told(made):
    rows = sorted((row.saga for row in reads(made).list_sagas(SagaFilter())), key=lambda saga: saga.instance)
    return [(saga.outcome, saga.instance, saga.repeated_starts) for saga in rows]


def counted(made):
    found = {}
    for (name, *_), value in made.counters().items():
        if name in COUNTED:
            found[name] = found.get(name, 0) + value
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_order_any_copies_and_any_restart_come_to_the_same(tmp_path, seed):
    """Months are read one after the other; within one, events come in any order, and the sweep in between."""
    chance = random.Random(seed)
    order = sorted(YEAR, key=lambda item: item.at_ms // 100_000 + chance.random())
    copies = 0
    while order:
        with core(tmp_path, MONTHLY) as made:
            for _ in range(chance.randint(1, 6)):
                if not order:
                    break
                portion = [order.pop(0) for _ in range(min(chance.randint(1, 3), len(order)))]
                if chance.random() < 0.3:
                    portion.append(portion[0])
                    copies += 1
                made.read(portion, until_ms=0)
                made.pass_time(min([item.at_ms for item in order], default=0))
    with core(tmp_path, MONTHLY) as made:
        made.pass_time(550_000)
        assert told(made) == BECAME
        assert counted(made) == COUNTED
        assert made.counters().get(("duplicate_events", "renewal"), 0) == copies
        # What comes late, or once more, finds its own instance.
        made.read([YEAR[1], Happening("Charged", 110_000, id="late"), YEAR[-2]], until_ms=550_000)
        made.pass_time(551_000)
        assert told(made) == BECAME
        assert counted(made) == {**COUNTED, "late_events": 3}
        assert made.counters()["duplicate_events", "renewal"] == copies + 2


def test_a_trail_has_all_instances_under_a_key(tmp_path):
    with core(tmp_path, MONTHLY) as made:
        made.read(YEAR)
        made.pass_time(550_000)
        found = reads(made).sagas(["f1"], [], 20)
        assert sorted(saga.instance for saga in found) == [1, 2, 3, 4, 5]
        assert {saga.correlation_id for saga in found} == {"f1"}
        assert {saga.key for saga in found} == {"order-1"}
        (newest,) = reads(made).list_sagas(SagaFilter(outcome="open"))
        assert [(step.name, step.state) for step in newest.saga.steps] == [
            ("charge", "done"),
            ("deliver", "open"),
        ]


def test_an_instance_shows_only_its_own_events_before_it_is_parted_from_the_next(tmp_path):
    with core(tmp_path, MONTHLY) as made:
        made.read(YEAR[:4])
        made.pass_time(150_000)
        made.read([Happening("Renewed", 200_000, id="again"), Happening("Charged", 200_100, id="more")])
        (saga,) = reads(made).sagas(["f1"], [], 20)
        assert (saga.outcome, saga.repeated_starts) == ("completed", 0)
        assert saga.steps[0].since_ms == 100_000
        made.pass_time(202_000)
        assert told(made) == [("completed", 1, 0), ("open", 2, 0)]


def test_a_key_with_the_separator_in_it_is_a_key(tmp_path):
    flows = MONTHLY.replace("within: 60s", "correlate: key")
    flow = parse_flows(flows).by_name["renewal"]
    event = next(iter(YEAR))
    assert "\x1f" not in (flow.correlate.of(_row(event, "a\x1f1")) or "")


def _row(happening, key):
    from flowtrail_collector.events.reading import Incoming, read_plain_event

    row = read_plain_event(Incoming("t", 0, 0, happening.at_ms, key.encode(), happening.headers))
    assert row is not None
    return row


def test_trying_a_file_tells_the_instances_apart():
    words = [
        (0, "Renewed"),
        (1, "Renewed"),
        (2, "Charged"),
        (3, "Delivered"),
        (40, "Renewed"),
        (41, "Charged"),
    ]
    happened = list(drive(parse_flows(MONTHLY), [Occasion(1_000 * at, kind, "a") for at, kind in words]))
    assert [(item.at_ms // 1_000, item.key, item.text) for item in happened] == [
        (0, "a", "waits for charge"),
        (1, "a", "starts again; waits for charge"),
        (2, "a", "charge done; waits for deliver"),
        (3, "a", "charge done; deliver done"),
        (3, "a", "completed"),
        (40, "a #2", "waits for charge"),
        (41, "a #2", "charge done; waits for deliver"),
        (71, "a #2", "stuck at deliver"),
        (100, "a #2", "timed_out"),
    ]
