"""Load whose outcome is known, and what a store says came of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Producer

from waiting import scaled

FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, within: 1h, undone: StockReleased}
      charge:
        asks: ChargeCard
        done: PaymentCompleted
        failed: PaymentFailed
        within: 1h
        again_after: CardReplaced
    completes: OrderShipped
    cancels: OrderCancelled
    within: 1d
  parcels:
    starts: OrderPacked
    steps:
      ship:
        done: ParcelShipped
        undone: ParcelReturned
        of: {field: $.said}
        times: {event: OrderPacked, field: $.said}
        within: 1h
      invoice: {done: ParcelsInvoiced, within: 1h}
    completes: ParcelsInvoiced
    cancels: ParcelsCancelled
    within: 1d
  consignments:
    starts: ConsignmentOpened
    steps:
      deliver:
        children: {flow: shipments, parent: {field: $.consignment}}
        times: {event: ConsignmentOpened, field: $.said}
        within: 1h
      close: {done: ConsignmentClosed, within: 1h}
    completes: ConsignmentClosed
    within: 1d
  shipments:
    starts: ShipmentBegun
    steps:
      carry: {done: ShipmentArrived, within: 1h}
    completes: ShipmentArrived
    cancels: ShipmentLost
    within: 1d
"""


class Story(NamedTuple):
    """What happens under one key, and what should be counted of it.

    Attributes:
        flow: Whose story it is.
        ends: How each of the instances under the key stands in the end, the oldest first.
        text: The events. Within a group any order; the groups one after the other, behind `...` more than a second
            later. `PaymentFailed/2` is a second occurrence, `ParcelShipped:1` says 1 in its payload, and
            `1.ShipmentBegun` is an event of a child, under a key of its own.
        waits: For which step the open one waits.
        more: What else is counted of its flow.
        children: How its children end.
    """

    flow: str
    ends: str
    text: str
    waits: str = ""
    more: str = ""
    children: str = ""


STORIES = (
    # Once from the start to the end, in every way there is.
    Story("orders", "completed", "OrderPlaced StockReserved PaymentCompleted OrderShipped"),
    Story("orders", "compensated", "OrderPlaced StockReserved | PaymentFailed OrderCancelled StockReleased"),
    Story("orders", "failed", "OrderPlaced StockReservationFailed OrderCancelled"),
    Story("orders", "open", "OrderPlaced StockReserved", "charge"),
    Story("orders", "partial", "StockReserved PaymentCompleted"),
    # Rounds, and what is owed.
    Story("orders", "completed", "OrderPlaced StockReserved | PaymentFailed | CardReplaced | PaymentFailed/2"
          " | CardReplaced/2 | PaymentCompleted OrderShipped"),
    Story("orders", "completed", "OrderPlaced StockReserved | StockReleased | StockReserved/2"
          " | PaymentCompleted OrderShipped"),
    Story("orders", "compensated", "OrderPlaced StockReserved | StockReleased | StockReserved/2 | OrderCancelled"
          " | StockReleased/2"),
    Story("orders", "compensated", "OrderPlaced StockReserved | PaymentFailed | CardReplaced"
          " | PaymentFailed/2 OrderCancelled | StockReleased"),
    Story("orders", "uncompensated", "OrderPlaced StockReserved | StockReleased | StockReserved/2 | OrderCancelled"),
    Story("orders", "open", "OrderPlaced StockReserved | PaymentFailed | CardReplaced", "charge"),
    # Commands and replies.
    Story("orders", "open", "OrderPlaced StockReserved ChargeCard", "charge"),
    Story("orders", "completed", "OrderPlaced StockReserved | ChargeCard | PaymentFailed | ChargeCard/2"
          " | PaymentCompleted OrderShipped"),
    Story("orders", "open", "OrderPlaced StockReserved | ChargeCard | PaymentFailed | ChargeCard/2", "charge"),
    # Again under the same key.
    Story("orders", "completed", "OrderPlaced | OrderPlaced/2 | StockReserved PaymentCompleted OrderShipped",
          more="repeated"),
    Story("orders", "completed completed", "OrderPlaced StockReserved PaymentCompleted OrderShipped"
          " | OrderPlaced/2 | StockReserved/2 PaymentCompleted/2 OrderShipped/2"),
    Story("orders", "completed completed open", "OrderPlaced StockReserved PaymentCompleted OrderShipped"
          " | OrderPlaced/2 | StockReserved/2 PaymentCompleted/2 OrderShipped/2 | OrderPlaced/3 | StockReserved/3",
          "charge"),
    Story("orders", "failed completed", "OrderPlaced StockReservationFailed OrderCancelled ... OrderPlaced/2"
          " | StockReserved PaymentCompleted OrderShipped"),
    Story("orders", "compensated uncompensated", "OrderPlaced StockReserved | OrderCancelled StockReleased"
          " ... OrderPlaced/2 | StockReserved/2 | OrderCancelled/2"),
    # Ids, and a number that an event says.
    Story("parcels", "completed", "OrderPacked:2 ParcelShipped:1 ParcelShipped/2:2 | ParcelsInvoiced"),
    Story("parcels", "open", "OrderPacked:3 ParcelShipped:1 ParcelShipped/2:2", "ship"),
    Story("parcels", "open", "OrderPacked:2 ParcelShipped:1 | ParcelShipped/2:1", "ship"),
    Story("parcels", "open", "OrderPacked:2 ParcelShipped:1 ParcelShipped/2:2", "invoice"),
    Story("parcels", "compensated", "OrderPacked:3 ParcelShipped:1 ParcelShipped/2:2 | ParcelsCancelled"
          " | ParcelReturned:2 ParcelReturned/2:1"),
    Story("parcels", "uncompensated", "OrderPacked:3 ParcelShipped:1 ParcelShipped/2:2 | ParcelsCancelled"
          " | ParcelReturned:2 ParcelReturned/2:2"),
    # Children, whose events other workers may read, and of which several end at once.
    Story("consignments", "completed", "ConsignmentOpened:2 1.ShipmentBegun 2.ShipmentBegun"
          " | 1.ShipmentArrived 2.ShipmentArrived | ConsignmentClosed", children="completed completed"),
    Story("consignments", "open", "ConsignmentOpened:2 | 1.ShipmentBegun | 1.ShipmentArrived | 2.ShipmentBegun"
          " | 2.ShipmentArrived", "close", children="completed completed"),
    Story("consignments", "open", "1.ShipmentBegun 2.ShipmentBegun 3.ShipmentBegun | 1.ShipmentArrived"
          " 2.ShipmentArrived 3.ShipmentArrived ConsignmentOpened:3", "close", children="completed completed completed"),
    Story("consignments", "open", "ConsignmentOpened:3 1.ShipmentBegun 2.ShipmentBegun"
          " | 1.ShipmentArrived 2.ShipmentArrived", "deliver", children="completed completed"),
    Story("consignments", "failed", "ConsignmentOpened:2 1.ShipmentBegun | 1.ShipmentLost", children="failed"),
    Story("consignments", "failed", "ConsignmentOpened:2 | 1.ShipmentBegun | 1.ShipmentArrived | 2.ShipmentBegun"
          " | 2.ShipmentLost", children="completed failed"),
    Story("consignments", "partial", "1.ShipmentBegun | 1.ShipmentArrived", children="completed"),
)  # fmt: skip
CHILDREN = {"consignments": "shipments"}
OUTCOMES = ("completed", "compensated", "failed", "timed_out")
WAIT_SECONDS = 40
_LATER_MS = 1_300  # longer than clocks may disagree
_AT_ONCE = 50


class Happens(NamedTuple):
    """An event that is to be written: of which number, the child or nothing, its type with the occurrence, what it
    says, and how long after the event before it."""

    number: int
    child: str
    kind: str
    said: str
    after_ms: int


class Services(threading.Thread):
    """Writes the events of many orders, in disorder, some of them twice; knows what should be counted."""

    def __init__(self, servers, topics, seed, pause_seconds=0.002):
        super().__init__()
        self._random = random.Random(seed)
        # Idempotent, or a broker that restarts would let the client itself write events twice.
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 5,
                "enable.idempotence": True,
                "message.timeout.ms": 60_000,
            }
        )
        self._pause_seconds = pause_seconds
        self._topics = topics
        self._newest_ms = Counter()
        self.enough = threading.Event()
        self.told = 0
        self._expected = Counter()

    def run(self):
        pending = []
        while not (self.enough.is_set() and self.told >= 400):
            if len(pending) < _AT_ONCE:
                pending.append(self._tell(self._random.choice(STORIES)))
            else:
                self._write_some(pending)
        while pending:
            self._write_some(pending)
        assert self._producer.flush(scaled(WAIT_SECONDS)) == 0

    def expected(self):
        """What should be counted in the end, without zeros."""
        return +self._expected

    def _tell(self, story):
        number = self.told
        self.told += 1
        self._expect(story)
        events = list(happenings(number, story.text, self._random))
        for _ in range(self._random.choice((0, 0, 1, 2))):
            place = self._random.randrange(len(events))
            again = events[place]._replace(after_ms=0)
            events.insert(self._random.randint(place + 1, len(events)), again)
            self._expected[f"{CHILDREN[story.flow] if again.child else story.flow} duplicates"] += 1
        return events

    def _expect(self, story):
        self._expected[f"{story.flow} waits for {story.waits}"] += bool(story.waits)
        for flow, end in ((story.flow, end) for end in story.ends.split()):
            self._expected[f"{flow} {end}"] += 1
            self._expected[f"{flow} started"] += end != "partial"
            self._expected[f"{flow} open"] += end == "uncompensated"
        for end in story.children.split():
            self._expected.update([f"{CHILDREN[story.flow]} {end}", f"{CHILDREN[story.flow]} started"])
        self._expected.update(f"{story.flow} {what}" for what in story.more.split())

    def _write_some(self, pending):
        """A few events of any of the orders under way."""
        for _ in range(10):
            due = [events for events in pending if self._is_due(events[0])]
            if not due:
                break
            events = self._random.choice(due)
            self._write(events.pop(0))
            if not events:
                pending.remove(events)
        self._producer.poll(0)
        time.sleep(self._pause_seconds)

    def _is_due(self, event):
        return int(time.time() * 1000) > self._newest_ms[event.number] + event.after_ms

    def _write(self, event):
        own = f"flow-{event.number}" + (f"-{event.child}" if event.child else "")
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"{own}-{event.kind}",
            "ce_type": event.kind.partition("/")[0],
            "ce_source": "/test",
            "ce_subject": f"order-{event.number}",
            "ce_correlationid": own,
        }
        said = int(event.said) if event.said else None
        value = json.dumps({"said": said, "consignment": f"flow-{event.number}"})
        # Later by the clock too: whether a start follows an end is a matter of milliseconds.
        at_ms = self._newest_ms[event.number] = int(time.time() * 1000)
        topic = self._random.choice(self._topics[:2])
        self._producer.produce(topic, key=own, value=value, headers=headers, timestamp=at_ms)
        if self._random.random() < 0.02:
            self._expected["dead letters"] += 1
            died = {**headers, "dlq.topic": self._topics[0], "dlq.error.type": "ValueError"}
            self._producer.produce(self._topics[2], headers=died)


def happenings(number: int, text: str, chance: random.Random) -> Iterator[Happens]:
    """What happens to one order, told as a story."""
    for part, later in zip(text.split(" ... "), (0, _LATER_MS), strict=False):
        after_ms = later
        for group in map(str.split, part.split(" | ")):
            for word in chance.sample(group, len(group)):
                child, _, rest = word.rpartition(".")
                kind, _, said = rest.partition(":")
                yield Happens(number, child, kind, said, after_ms)
                after_ms = 0


def counted(store):
    """The same figures as a store has them."""
    now, arrivals = store.saga_figures(), store.counters("dlq_arrivals")
    found = Counter({"dead letters": sum(arrivals.values())})
    names = {
        "saga_started": "started",
        "saga_duplicate_events": "duplicates",
        "saga_repeated_starts": "repeated",
    }
    for (name, labels), value in now.counts.items():
        if name == "saga_ended":
            found[" ".join(labels)] += value
        elif name in names:
            found[f"{labels[0]} {names[name]}"] += value
    found.update({f"{flow} {kind}": count for flow, kind, count in now.open_by_flow})
    found.update({f"{flow} waits for {step}": count for flow, step, count, _ in now.open_steps})
    return +found
