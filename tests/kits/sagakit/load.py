"""Load whose outcome is known, and what a store says came of it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from confluent_kafka import Producer

from waiting import scaled

FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, within: 1h, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, within: 1h, again_after: CardReplaced}
    completes: OrderShipped
    cancels: OrderCancelled
    within: 1d
"""
# Within a group any order; the groups one after the other, so that nothing depends on clocks. A number behind a type
# tells an occurrence from the first one.
STORIES = {
    "done": ("completed", "OrderPlaced StockReserved PaymentCompleted OrderShipped"),
    "another card": (
        "completed",
        "OrderPlaced StockReserved | PaymentFailed | CardReplaced | PaymentFailed/2 | CardReplaced/2 |"
        " PaymentCompleted OrderShipped",
    ),
    "reserved again": (
        "completed",
        "OrderPlaced StockReserved | StockReleased | StockReserved/2 | PaymentCompleted OrderShipped",
    ),
    "given back": ("compensated", "OrderPlaced StockReserved | PaymentFailed OrderCancelled StockReleased"),
    "given back twice": (
        "compensated",
        "OrderPlaced StockReserved | StockReleased | StockReserved/2 | OrderCancelled | StockReleased/2",
    ),
    "given back after rounds": (
        "compensated",
        "OrderPlaced StockReserved | PaymentFailed | CardReplaced | PaymentFailed/2 OrderCancelled | StockReleased",
    ),
    "given back once of twice": (
        "uncompensated",
        "OrderPlaced StockReserved | StockReleased | StockReserved/2 | OrderCancelled",
    ),
    "out of stock": ("failed", "OrderPlaced StockReservationFailed OrderCancelled"),
    "on its way": ("open", "OrderPlaced StockReserved"),
    "in its second round": ("open", "OrderPlaced StockReserved | PaymentFailed | CardReplaced"),
    "seen from the middle": ("partial", "StockReserved PaymentCompleted"),
}
WAIT_SECONDS = 40


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
        self.enough = threading.Event()
        self.orders = Counter()
        self.duplicates = self.dead_letters = 0

    def run(self):
        pending = []
        while not (self.enough.is_set() and sum(self.orders.values()) >= 200):
            pending.append(self._order())
            if len(pending) > 20:
                self._write_some(pending)
        while pending:
            self._write_some(pending)
        assert self._producer.flush(scaled(WAIT_SECONDS)) == 0

    def expected(self):
        """What should be counted in the end."""
        kinds = ("completed", "compensated", "failed", "partial", "uncompensated")
        return {
            **{kind: self.orders[kind] for kind in kinds},
            "open": self.orders["open"] + self.orders["uncompensated"],
            "timed_out": 0,
            "started": sum(self.orders.values()) - self.orders["partial"],
            "duplicates": self.duplicates,
            "dead letters": self.dead_letters,
        }

    def _order(self):
        outcome, story = self._random.choice(list(STORIES.values()))
        number = sum(self.orders.values())
        self.orders[outcome] += 1
        events = []
        for group in map(str.split, story.split("|")):
            shuffled = self._random.sample(group, len(group))
            events += [(number, kind) for kind in shuffled]
        for _ in range(self._random.choice((0, 0, 1, 2))):
            place = self._random.randrange(len(events))
            events.insert(self._random.randint(place + 1, len(events)), events[place])
            self.duplicates += 1
        return events

    def _write_some(self, pending):
        """A few events of any of the orders under way."""
        for _ in range(10):
            events = self._random.choice(pending) if pending else None
            if events is None:
                break
            number, kind = events.pop(0)
            if not events:
                pending.remove(events)
            headers = {
                "ce_specversion": "1.0",
                "ce_id": f"{number}-{kind}",
                "ce_type": kind.partition("/")[0],
                "ce_source": "/test",
                "ce_subject": f"order-{number}",
                "ce_correlationid": f"flow-{number}",
            }
            self._producer.produce(self._random.choice(self._topics[:2]), key=str(number), headers=headers)
            if self._random.random() < 0.02:
                self.dead_letters += 1
                died = {**headers, "dlq.topic": self._topics[0], "dlq.error.type": "ValueError"}
                self._producer.produce(self._topics[2], headers=died)
        self._producer.poll(0)
        time.sleep(self._pause_seconds)


def counted(store):
    """The same figures as a store has them."""
    now, arrivals = store.saga_figures(), store.counters("dlq_arrivals")
    kinds = {kind: count for _, kind, count in now.open_by_flow}
    found = {labels[1]: value for (name, labels), value in now.counts.items() if name == "saga_ended"}
    return {
        **{outcome: found.get(outcome, 0) for outcome in ("completed", "compensated", "failed", "timed_out")},
        "started": now.counts.get(("saga_started", ("orders",)), 0),
        "duplicates": now.counts.get(("saga_duplicate_events", ("orders",)), 0),
        "open": kinds.get("open", 0),
        "partial": kinds.get("partial", 0),
        "uncompensated": kinds.get("uncompensated", 0),
        "dead letters": sum(arrivals.values()),
    }
