"""Copies of an event stand below what they are copies of, whatever the clocks say, and whether or not there are spans."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.model import EntryKind, TrailInputs
from trailkit import orders

START_MS = orders.START_MS
NOW_MS = START_MS + 100_000


@dataclass
class History:
    """Writes records as they would come about; each has what led to it, and the clock it was written by."""

    skews: dict[str, int] = field(default_factory=dict)
    broker: str = ""
    step_ms: int = 1000
    events: dict[str, StoredEvent] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    led: list[tuple[str, str]] = field(default_factory=list)
    redriven_by: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _now_ms: int = START_MS
    _ends: dict[str, int] = field(default_factory=dict)

    def write(
        self, topic, clock, event_id="e1", led_by=None, cause=None, dead_letter=False, offset=None
    ) -> str:
        """Append a record; its name is its entry's id."""
        self._now_ms += self.step_ms
        topic = self.broker + topic
        place = topic, 0, self._ends.get(topic, 7) if offset is None else offset
        self._ends[topic] = place[2] + 1
        name = "{}/{}/{}".format(*place)
        self.events[name] = StoredEvent(
            event_id, "OrderPlaced", *place, source="/shop", subject="ORD-1", correlation_id="flow-1",
            causation_id=cause, timestamp_ms=self._now_ms + self.skews.get(clock, 0), dead_letter=dead_letter,
        )  # fmt: skip
        if led_by:
            self.led.append((led_by, name))
        return name

    def die(self, source, group, led_by=None, replays=None, state="redriven", **changes) -> str:
        """A group gives a record up."""
        record = self.events[source]
        topic = record.topic.removeprefix(self.broker)
        # RabbitMQ's letters are numbered by what they hold.
        offset = random.Random(f"{source} {group}").randrange(2**40) if self.broker else None
        name = self.write(
            f"{topic}.{group}.dlq",
            group,
            record.event_id,
            led_by or source,
            record.causation_id,
            True,
            offset,
        )
        letter = self.events[name]
        place = (record.topic, 0, 3 if self.broker else record.offset)
        values = (
            dict(zip(("source_topic", "source_partition", "source_offset"), place, strict=True)) | changes
        )
        self.letters.append(
            DeadLetter(
                letter.topic, 0, letter.offset, letter.timestamp_ms, record.event_id, state=state, group=group,
                replays=replays, error_type="ValueError", **values,
            )
        )  # fmt: skip
        return name

    def redrive(self, letter, topic="orders") -> str:
        record = self.events[letter]
        name = self.write(topic, "flowtrail", record.event_id, letter, record.causation_id)
        again = self.events[name]
        self.redriven_by[again.topic, 0, again.offset] = "ann"
        return name

    def without(self, *names) -> None:
        for name in names:
            del self.events[name]

    def trail(self, rng: random.Random | None = None):
        events, letters = list(self.events.values()), list(self.letters)
        if rng is not None:
            rng.shuffle(events)
            rng.shuffle(letters)
        inputs = TrailInputs(
            tuple(events), (), tuple(letters), redriven_by=self.redriven_by,
            is_dead_letter_topic=lambda topic: topic.endswith(".dlq"),
        )  # fmt: skip
        return assemble(inputs, now_ms=NOW_MS)


def dead_letter(history):
    history.die(history.write("orders", "shop"), "billing", state="pending")


def of_two_groups(history):
    placed = history.write("orders", "shop")
    for group in ("billing", "shipping"):
        history.die(placed, group, state="pending")


def redriven_twice(history):
    """Fails three times in all."""
    record = history.write("orders", "shop")
    for replays in (None, 1):
        record = history.redrive(history.die(record, "billing", replays=replays))
    history.die(record, "billing", replays=2, state="pending")


def through_retry_topics(history):
    placed = last = history.write("orders", "shop")
    for level in (1, 2, 3):
        last = history.write(f"orders.billing.retry.{level}", "billing", led_by=last)
    again = history.redrive(history.die(placed, "billing", led_by=last))
    last = history.write("orders.billing.retry.1", "billing", led_by=again)
    history.die(again, "billing", led_by=last, replays=1, state="pending")


def through_springs_retry_topics(history):
    placed = last = history.write("orders", "shop")
    for level in (0, 1):
        last = history.write(f"orders-retry-{level}", "billing", led_by=last)
    history.die(placed, "billing", led_by=last, state="pending")


def quarantined(history):
    letter = history.die(history.write("orders", "shop"), "billing", state="quarantined")
    history.redrive(letter, "orders.quarantine")


def redriven_to_another_topic(history):
    history.redrive(history.die(history.write("orders", "shop"), "billing"), "orders.corrected")


def record_unknown(history):
    """Retention took the record: what led to the event is known."""
    history.write("carts", "web", "e0")
    lost = history.write("orders", "shop", "e1", cause="e0")
    letter = history.die(lost, "billing")
    history.redrive(letter)
    history.without(lost)
    history.led = [("carts/0/7", letter), *history.led[1:]]


def only_a_letter_of_what_an_event_led_to(history):
    cart = history.write("carts", "web", "e0")
    lost = history.write("orders", "shop", "e1", cause="e0")
    letter = history.die(lost, "billing", state="pending")
    history.without(lost)
    history.led = [(cart, letter)]


def headers_without_a_place(history):
    history.die(history.write("orders", "shop"), "billing", state="pending", source_offset=None)


def headers_that_say_nothing(history):
    placed = history.write("orders", "shop")
    history.die(
        placed, "billing", state="pending", source_topic=None, source_partition=None, source_offset=None
    )


def died_again_in_its_own_topic(history):
    letter = history.die(history.write("orders", "shop"), "billing", state="pending")
    history.die(letter, "mover", state="pending")


def chain_of_events(history):
    first = history.write("carts", "web", "e0")
    second = history.write("orders", "shop", "e1", led_by=first, cause="e0")
    history.die(second, "billing", state="pending")
    history.write("shipments", "shipping", "e2", led_by=second, cause="e1")


KAFKA = [
    dead_letter, of_two_groups, redriven_twice, through_retry_topics, through_springs_retry_topics, quarantined,
    redriven_to_another_topic, record_unknown, only_a_letter_of_what_an_event_led_to, headers_without_a_place,
    headers_that_say_nothing, died_again_in_its_own_topic, chain_of_events,
]  # fmt: skip
# Its retries wait in queues, which nobody reads but their group; what is sent back goes to a queue as well.
RABBITMQ = [
    dead_letter,
    of_two_groups,
    only_a_letter_of_what_an_event_led_to,
    headers_that_say_nothing,
    chain_of_events,
]
STORIES = [(story, "") for story in KAFKA] + [(story, "rabbitmq:") for story in RABBITMQ]
CLOCKS = ("web", "shop", "billing", "shipping", "flowtrail", "mover")


def told(story, broker, **values):
    history = History(broker=broker, **values)
    story(history)
    history.led = [(cause.replace("carts", broker + "carts") if broker and not cause.startswith(broker) else cause, effect)
                   for cause, effect in history.led]  # fmt: skip
    return history


def assert_told_in_order(history, trail):
    position = {entry.id: index for index, entry in enumerate(trail.entries)}
    assert position.keys() == history.events.keys()
    for cause, effect in history.led:
        assert position[cause] < position[effect], (cause, effect, list(position))
    for entry in trail.entries:
        assert entry.parent is None or position[entry.parent] < position[entry.id]


@pytest.mark.parametrize(("story", "broker"), STORIES)
@pytest.mark.parametrize(
    "clocks", ["right", "one moment", "billing behind", "billing ahead", "shop ahead", "flowtrail behind"]
)
def test_nothing_stands_before_what_led_to_it(story, broker, clocks):
    name, _, how = clocks.partition(" ")
    skew = {"behind": -30_000, "ahead": 30_000}.get(how, 0)
    history = told(
        story, broker, skews={name: skew} if skew else {}, step_ms=0 if clocks == "one moment" else 1000
    )
    trail = history.trail()
    assert_told_in_order(history, trail)
    parents = {entry.id: entry.parent for entry in trail.entries}
    assert [effect for cause, effect in history.led if parents[effect] != cause] == []
    assert bool(trail.notes) == any(entry.skewed for entry in trail.entries)
    if clocks in ("right", "one moment"):
        assert trail.notes == ()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(STORIES),
    st.dictionaries(st.sampled_from(CLOCKS), st.integers(-10, 10).map(lambda seconds: seconds * 1000)),
    st.sampled_from([0, 1, 1000]),
    st.randoms(use_true_random=False),
)
def test_whatever_the_clocks_say_and_whatever_comes_first(story, skews, step_ms, rng):
    history = told(*story, skews=skews, step_ms=step_ms)
    trail = history.trail()
    assert_told_in_order(history, trail)
    assert history.trail(rng) == trail


@pytest.mark.parametrize(("behind_ms", "noted"), [(0, False), (1, False), (3000, True)])
def test_a_dead_letter_is_below_its_event_and_a_note_says_whose_clocks_disagree(behind_ms, noted):
    history = History(skews={"billing": -behind_ms}, step_ms=0)
    dead_letter(history)
    trail = history.trail()
    assert [(entry.kind.value, entry.depth) for entry in trail.entries] == [
        ("publish", 0),
        ("dead_letter", 1),
    ]
    note = "the clocks of billing and shop disagree by at least 3000 ms; the order shown follows cause and effect"
    assert trail.notes == ((note,) if noted else ())


def test_what_is_sent_back_was_written_by_the_collectors_clock():
    history = History(skews={"flowtrail": -5000})
    redriven_to_another_topic(history)
    trail = history.trail()
    assert [(entry.kind.value, entry.service, entry.by) for entry in trail.entries][-1] == (
        "redrive",
        "flowtrail",
        "ann",
    )
    assert trail.notes[0].startswith("the clocks of flowtrail and billing disagree by at least 4000 ms")


def test_each_redrive_is_below_its_own_dead_letter_with_the_attempts_of_its_round():
    story = orders.Story()
    sent = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    for at_ms in (0, 1000):
        failed = story.process("billing", sent, at_ms + 10, 5, error=("ValueError", "no"))
        story.send(
            "billing", "orders.billing.dlq", "OrderPlaced", at_ms + 20, event_id="e1", dead_letter=True
        )
        sent = story.send("flowtrail", "orders", "OrderPlaced", at_ms + 500, event_id="e1")
    assert failed
    entries = assemble(story.inputs(), now_ms=NOW_MS).entries
    once = ["queue", "process", "dead_letter", "redrive"]
    assert [entry.kind.value for entry in entries] == ["publish", *once, *once]
    assert [entry.depth for entry in entries] == list(range(9))


def test_attempts_are_told_by_their_numbers_where_two_instances_disagree():
    story = orders.Story()
    sent = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    story.process("billing", sent, 40, 5, attempt=1, error=("ValueError", "no"))
    story.process("billing", sent, 20, 5, attempt=2)
    trail = assemble(story.inputs(), now_ms=NOW_MS)
    assert [
        entry.attempt for entry in trail.entries if entry.kind in (EntryKind.PROCESS, EntryKind.RETRY)
    ] == [1, 2]
    assert trail.notes == (
        "the clocks of two instances of billing disagree by at least 20 ms; the order shown follows cause and effect",
    )


def test_a_handling_is_of_the_copy_at_its_place():
    """By its clock, the handling of the second record came before the first."""
    story = orders.Story(skew_ms={"billing": -10_000})
    first = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    again = story.send("orders", "orders", "OrderPlaced", 500, event_id="e1")
    handled = [story.process("billing", sent, at_ms, 5) for sent, at_ms in ((first, 10), (again, 510))]
    entries = {entry.id: entry for entry in assemble(story.inputs(), now_ms=NOW_MS).entries}
    for sent, span in zip((first, again), handled, strict=True):
        queue = entries[entries[f"{span.trace_id}/{span.span_id}"].parent]
        assert queue.parent == f"{sent.trace_id}/{sent.span_id}"


def test_of_one_millisecond_a_partition_is_told_in_its_order():
    history = History(step_ms=0)
    names = [history.write("orders", "shop", f"e{number}") for number in range(12)]
    assert [entry.id for entry in history.trail().entries] == names


def test_spans_of_a_consumption_before_the_event():
    story = orders.Story(skew_ms={"billing": -60_000})
    sent = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    story.process("billing", sent, 10, 5)
    inputs = story.inputs()
    inputs = replace(inputs, spans=tuple(replace(span, parent_span_id=None) for span in inputs.spans))
    trail = assemble(inputs, now_ms=NOW_MS)
    assert [entry.kind.value for entry in trail.entries] == ["publish", "queue", "process"]
    assert "billing and orders" in trail.notes[0]
