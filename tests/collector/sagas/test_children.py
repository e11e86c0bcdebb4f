"""A step that waits for the instances of another flow: done when they ended well, failed when one failed."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.sagas.flow_file import FlowFileError, parse_flows
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.owners import as_written
from flowtrail_collector.sagas.sql.reads import SagaReads
from flowtrail_collector.sagas.stuck import stuck_reason
from flowtrail_collector.sagas.trial import Occasion, drive
from sagakit import Happening, core

ORDER = """\
flows:
  order:
    starts: Placed
    steps:
      pack: {done: Packed}
      ship: {children: {flow: shipment, parent: {field: $.order}}, within: 60s}
      bill: {done: Billed, within: 10s}
    completes: Billed
    cancels: Cancelled
    within: 1h
  shipment:
    starts: Handed
    steps:
      carry: {done: Delivered, failed: Lost, by: courier, within: 20s}
    completes: Delivered
    cancels: Lost
"""


def events(story):
    """`12:Handed:p1`: at 12 s; of parcel p1, if there is one, of order o1."""
    for word in story.split():
        at, kind, *parcel = word.split(":")
        payload = {"order": "o1"} if kind == "Handed" else None
        key = parcel[0] if parcel else "o1"
        yield Happening(kind, 1_000 * int(at), f"{at}-{key}", flow=key, subject=None, payload=payload)


def reads(made, letters=()):
    def pending(ids):
        return {"p2": letters} if "p2" in ids else {}

    return SagaReads(made.database, made.flows, owner_of=as_written, pending_letters=pending)


def orders(made, letters=()):
    return reads(made, letters).list_sagas(SagaFilter(flow="order"))


STORIES = {
    "all arrived": (
        "1:Placed 2:Packed 3:Handed:p1 3:Handed:p2 9:Delivered:p1 12:Delivered:p2 15:Billed", "completed", "done done done", 0),
    "one is on its way": ("1:Placed 2:Packed 3:Handed:p1 3:Handed:p2 9:Delivered:p1", "open", "done open waiting", 1),
    "none was handed over": ("1:Placed 2:Packed", "open", "done open waiting", 1),
    "one was lost": ("1:Placed 2:Packed 3:Handed:p1 3:Handed:p2 9:Lost:p1", "open", "done failed waiting", 0),
    "lost, and cancelled": (
        "1:Placed 2:Packed 3:Handed:p1 9:Lost:p1 10:Cancelled", "failed", "done failed waiting", 0),
    "handed over before it was packed": ("1:Placed 3:Handed:p1 4:Delivered:p1 5:Packed", "open", "done done open", 0),
    "one late": ("1:Placed 2:Packed 3:Handed:p1 70:Delivered:p1 75:Billed", "completed", "done done done", 1),
    "one in the last moment": ("1:Placed 2:Packed 3:Handed:p1 62:Delivered:p1 66:Billed", "completed", "done done done", 0),
    "one began again": (
        "1:Placed 2:Packed 3:Handed:p1 4:Handed:p2 6:Delivered:p1 9:Handed:p1 12:Delivered:p2", "open", "done open waiting", 1),
    "one was lost, began again and arrived": (
        "1:Placed 2:Packed 3:Handed:p1 6:Lost:p1 9:Handed:p1 12:Delivered:p1 15:Billed", "completed", "done done done", 0),
    "its start came twice": (
        "1:Placed 2:Packed 3:Handed:p1 4:Handed:p1 9:Delivered:p1 15:Billed", "completed", "done done done", 0),
    "its clock was late": (
        "1:Placed 2:Packed 9:Handed:p1 5:Delivered:p1 15:Billed", "completed", "done done done", 0),
    "a child without its parent": ("3:Handed:p1 9:Delivered:p1", "open", "waiting done open", 0),
}  # fmt: skip


@pytest.mark.parametrize(("story", "outcome", "states", "missed"), STORIES.values(), ids=STORIES)
def test_what_becomes_of_the_parent(tmp_path, story, outcome, states, missed):
    """Read in three orders, with restarts on the way, and swept on the way as far as everything was read."""
    for seed in range(3):
        chance, name = random.Random(seed), f"{seed}.sqlite"
        left = list(events(story))
        if seed:
            chance.shuffle(left)
        while left:
            with core(tmp_path, ORDER, name) as made:
                part, left = left[:3], left[3:]
                made.read([*part, part[0]], until_ms=0)
                made.pass_time(min([item.at_ms for item in left], default=0))
        with core(tmp_path, ORDER, name) as made:
            for at in (66_000, 80_000, 90_000):
                made.pass_time(at)
            (row,) = orders(made)
            assert (row.saga.outcome, " ".join(step.state for step in row.saga.steps)) == (outcome, states)
            assert made.counters().get(("deadline_breaches", "order", "ship"), 0) == missed


def test_children_settle_first_however_early_a_parent_is_due(tmp_path):
    """A backlog: the parent missed its first deadline long before its child arrived, in time for the second one."""
    flows = ORDER.replace("pack: {done: Packed}", "pack: {done: Packed, within: 5s}")
    with core(tmp_path, flows) as made:
        made.read(events("1:Placed 8:Packed 9:Handed:p1 25:Delivered:p1 30:Billed"), until_ms=0)
        made.pass_time(500_000)
        missed = {key: n for key, n in made.counters().items() if key[0] == "deadline_breaches"}
        assert missed == {("deadline_breaches", "order", "pack"): 1}


def test_a_child_that_began_again_for_another_order_tells_each_of_its_own_end(tmp_path):
    """The second start is read before the first end is certain."""
    happened = [
        Happening("Placed", 1_000, "o1", flow="o1", subject=None),
        Happening("Placed", 1_000, "o2", flow="o2", subject=None),
        Happening("Packed", 2_000, "o1p", flow="o1", subject=None),
        Happening("Packed", 2_000, "o2p", flow="o2", subject=None),
        Happening("Handed", 3_000, "h1", flow="p1", subject=None, payload={"order": "o1"}),
        Happening("Delivered", 9_000, "d1", flow="p1", subject=None),
        Happening("Handed", 10_500, "h2", flow="p1", subject=None, payload={"order": "o2"}),
    ]
    with core(tmp_path, ORDER) as made:
        made.read(happened)
        for at in (10_500, 11_000, 12_000, 16_000):
            made.pass_time(at)
        found = {row.saga.key: row.saga.steps[1].state for row in orders(made)}
        assert found == {"o1": "done", "o2": "open"}


def test_children_of_an_earlier_round_are_no_children_of_this_one(tmp_path):
    """As many ended well as began in it, but not the same ones."""
    flows = ORDER.replace("within: 60s}", "within: 60s, again_after: Repacked}")
    story = "1:Placed 2:Packed 3:Handed:p1 5:Repacked 6:Handed:p2 9:Delivered:p1"
    with core(tmp_path, flows) as made:
        made.read(events(story))
        made.pass_time(20_000)
        (row,) = orders(made)
        assert [step.state for step in row.saga.steps] == ["done", "open", "waiting"]
        made.read(events("25:Delivered:p2"))
        made.pass_time(30_000)
        (row,) = orders(made)
        assert [step.state for step in row.saga.steps] == ["done", "done", "open"]


@pytest.mark.parametrize(
    ("recalled", "outcome"), [("20:Recalled", "open"), ("20:Recalled 21:Recalled", "compensated")]
)
def test_what_children_did_is_taken_back_in_order(tmp_path, recalled, outcome):
    """No payload of the parent says which child."""
    flows = ORDER.replace("within: 60s}", "within: 60s, undone: Recalled}")
    story = "1:Placed 2:Packed 3:Handed:p1 4:Handed:p2 6:Delivered:p1 7:Delivered:p2 15:Cancelled"
    with core(tmp_path, flows) as made:
        made.read(events(f"{story} {recalled}"))
        made.pass_time(40_000)
        (row,) = orders(made)
        assert row.saga.outcome == outcome


COUNTED = {
    "two said, one begun": ("2 1:Placed 2:Packed 3:Handed:p1 4:Delivered:p1", "open"),
    "two said, one arrived": ("2 1:Placed 2:Packed 3:Handed:p1 4:Delivered:p1 5:Handed:p2", "open"),
    "two said, two arrived": ("2 1:Placed 2:Packed 3:Handed:p1 4:Delivered:p1 5:Handed:p2 6:Delivered:p2", "done"),
    "none said": ("0 1:Placed 2:Packed", "done"),
    "nothing said": ("- 1:Placed 2:Packed 3:Handed:p1 4:Delivered:p1", "open"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "state"), COUNTED.values(), ids=COUNTED)
def test_how_many_children_there_will_be_is_said_by_an_event(tmp_path, story, state):
    """By the start, by a later event of the parent, or by one that no step but this names."""
    said, _, told = story.partition(" ")
    for kind in ("Placed", "Packed", "Counted"):
        flows = ORDER.replace("within: 60s}", f"within: 60s, times: {{event: {kind}, field: $.parcels}}}}")
        happened = list(events(f"{told} 2:Counted"))
        if said != "-":
            happened = [
                replace(item, payload={"parcels": int(said)}) if item.type == kind else item
                for item in happened
            ]
        with core(tmp_path, flows, f"{kind}.sqlite") as made:
            made.read(happened)
            made.pass_time(9_000)
            (row,) = orders(made)
            assert (kind, row.saga.steps[1].state) == (kind, state)


def test_a_stuck_parent_names_the_child_that_is_stuck_and_why(tmp_path):
    story = "1:Placed 2:Packed 3:Handed:p1 3:Handed:p2 3:Handed:p3 9:Delivered:p1"
    letter = DeadLetter("parcels.courier.dlq", 0, 1, None, "e", "Handed", group="courier")
    with core(tmp_path, ORDER) as made:
        made.read(events(story))
        made.pass_time(80_000)
        (row,) = orders(made)
        assert row.stuck
        step = row.saga.steps[1]
        assert [child.saga.key for child in step.children] == ["p2", "p3"]
        said = stuck_reason(row.saga, [], lambda group: GroupProgress(3, None, 1, "behind"))
        assert said == (
            "ship waits for shipment p2, where carry waits for courier, which is 3 messages behind; and for 1 other"
        )
        (row,) = orders(made, (letter,))
        said = stuck_reason(row.saga, [], lambda group: None)
        assert said == (
            "ship waits for shipment p2, where carry waits for courier, which dead-lettered Handed; and for 1 other"
        )
        (trail,) = (saga for saga in reads(made).sagas(["o1"], [], 5) if saga.flow == "order")
        assert [child.saga.key for child in trail.steps[1].children] == ["p2", "p3"]


def test_killed_between_the_end_of_a_child_and_the_news_of_it_nothing_is_lost(tmp_path):
    """They are one transaction: it happens whole, or not at all."""
    with core(tmp_path, ORDER) as made:
        made.read(events("1:Placed 2:Packed 3:Handed:p1 9:Delivered:p1"))
        made.sweeper._new_rules._on_ended = lambda sagas: 1 / 0  # after the transaction
        with pytest.raises(ZeroDivisionError):
            made.pass_time(20_000)
    with core(tmp_path, ORDER) as made:
        (row,) = orders(made)
        assert [step.state for step in row.saga.steps] == ["done", "done", "open"]


@pytest.mark.parametrize("twice", ["Placed", "Packed", "Handed", "Delivered"])
def test_an_event_that_comes_twice_counts_once_as_a_duplicate(tmp_path, twice):
    """Of the flow whose event it is: that a parent hears of it is no event of the parent."""
    happened = list(events("1:Placed 2:Packed 3:Handed:p1 9:Delivered:p1"))
    owner = "shipment" if twice in ("Handed", "Delivered") else "order"
    for again in (False, True):
        with core(tmp_path, ORDER, f"{again}.sqlite") as made:
            copies = [item for item in happened if item.type == twice]
            made.read([*happened, *([] if again else copies)])
            made.read(copies if again else [])
            found = {key: n for key, n in made.counters().items() if key[0] == "duplicate_events"}
            assert found == {("duplicate_events", owner): 1}


def test_trying_a_file_tells_of_children():
    lines = [
        (1, "Placed", "o1", None),
        (2, "Packed", "o1", None),
        (3, "Handed", "p1", "o1"),
        (9, "Delivered", "p1", None),
    ]
    occasions = [
        Occasion(1_000 * at, kind, key, json.dumps({"order": order}).encode())
        for at, kind, key, order in lines
    ]
    told = [(item.key, item.because, item.text) for item in drive(parse_flows(ORDER), occasions)]
    assert told == [
        ("o1", "Placed", "waits for pack"),
        ("o1", "Packed", "pack done; waits for ship"),
        ("p1", "Handed", "waits for carry"),
        ("o1", "shipment begun: p1", "pack done; waits for ship (0 of 1)"),
        ("p1", "Delivered", "carry done"),
        ("p1", "", "completed"),
        ("o1", "shipment completed: p1", "pack done; ship done; waits for bill"),
        ("o1", "", "stuck at bill"),
        ("o1", "", "timed_out"),
    ]


CHAIN = """\
flows:
  a: {starts: A, steps: {s: {children: {flow: b, parent: correlation}}}, completes: Z}
  b: {starts: B, steps: {s: {children: {flow: c, parent: {field: $.b}, all: false}, times: 2}}, completes: Y}
  c: {starts: C, completes: X}
"""


def test_children_of_children_settle_before_their_parents():
    flows = parse_flows(CHAIN).by_name
    assert [flows[name].depth for name in "abc"] == [2, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "by", "message"),
    [
        ("flow: c", "flow: a", "would wait for each other in a circle"),
        ("flow: c", "flow: b", "would wait for each other in a circle"),
        ("flow: c", "flow: d", "there is no flow 'd' in this file"),
        ("flow: c, ", "", "'children' needs 'flow'"),
        ("parent: correlation", "parent: order", "'parent' takes a field such as"),
        ("parent: {field: $.b}", "parent: {field: b}", "'field' takes a path"),
        ("all: false", "all: 1", "'all' must be true or false"),
        ("all: false", "any: true", "'children' has no key 'any'"),
        ("times: 2", "done: D", "has no 'done'"),
        ("times: 2", "of: {field: $.x}", "has no 'of'"),
    ],
)
def test_what_a_file_cannot_say(wrong, by, message):
    with pytest.raises(FlowFileError, match=message):
        parse_flows(CHAIN.replace(wrong, by))


def brute(children):
    """How the step stands, and since when, by trying every moment."""
    moments = sorted({at for times in children.values() for at in times if at is not None})
    for moment in moments:
        begun = [times for times in children.values() if times[0] <= moment]
        if begun and all(times[1] is not None and times[1] <= moment for times in begun):
            return "done", moment
    lost = [times[2] for times in children.values() if times[2] is not None]
    return ("failed", min(lost)) if lost else ("open", None)


@pytest.mark.parametrize("seed", range(25))
def test_children_at_random_as_the_interpreter_says(tmp_path, seed):
    chance = random.Random(seed)
    children = {}
    for number in range(chance.randint(0, 4)):
        begun = chance.randint(3, 40)
        over = begun + chance.randint(1, 19)
        kind = chance.choice(["Delivered", "Delivered", "Lost", None])
        children[f"p{number}"] = (
            begun,
            over if kind == "Delivered" else None,
            over if kind == "Lost" else None,
        )
    words = ["1:Placed", "2:Packed"]
    for key, (begun, done, lost) in children.items():
        words.append(f"{begun}:Handed:{key}")
        words += [
            f"{at}:{kind}:{key}" for at, kind in ((done, "Delivered"), (lost, "Lost")) if at is not None
        ]
    left = list(events(" ".join(words)))
    chance.shuffle(left)
    while left:
        with core(tmp_path, ORDER) as made:
            size = chance.randint(1, 5)
            part, left = left[:size], left[size:]
            made.read([*part, *part[:1]], until_ms=0)
            made.pass_time(min([item.at_ms for item in left], default=0))
    with core(tmp_path, ORDER) as made:
        made.pass_time(100_000)
        (row,) = orders(made)
        state, until = brute(children)
        assert row.saga.steps[1].state == state
        late = until is None or until > 62
        assert made.counters().get(("deadline_breaches", "order", "ship"), 0) == late
