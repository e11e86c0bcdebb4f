"""A parent and its child on PostgreSQL, while other workers hold one of them: nobody waits, and nothing is said too early."""

from __future__ import annotations

import random
import threading

import pytest

from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.kept import Parents
from flowtrail_collector.sagas.model.instance import SagaKey
from flowtrail_collector.sagas.new_rules import NewRules
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.postgres.database import PostgresDatabase
from sagakit import Happening
from waiting import scaled

# Parents before and behind their children in the order in which rows are locked.
NAMES = [("a-order", "shipment"), ("order", "a-shipment")]
FLOWS = """\
flows:
  PARENT:
    starts: Placed
    steps:
      ship: {children: {flow: CHILD, parent: {field: $.order}}, within: 60s}
      bill: {done: Billed, within: 10s}
    completes: Billed
    within: 1h
  CHILD:
    starts: Handed
    steps:
      carry: {done: Delivered, within: 20s}
    completes: Delivered
    cancels: Lost
"""


@pytest.fixture
def store(postgres):
    database = PostgresDatabase(postgres)
    yield PostgresStore(database)
    database.close()


def flows_of(parent, child):
    return parse_flows(FLOWS.replace("PARENT", parent).replace("CHILD", child))


def happens(at, kind, key, order=None):
    payload = None if order is None else {"order": order}
    return Happening(kind, 1_000 * at, f"{kind}-{key}", flow=key, subject=None, payload=payload)


def read(ingest, happened, partition=0, begin=0, watermark_ms=0):
    records = [
        Incoming("orders", partition, begin + number, item.at_ms, None, item.headers, value=item.value)
        for number, item in enumerate(happened)
    ]
    advance = Advance("orders", partition, begin or None, begin + len(records), watermark_ms)
    ingest.apply(records, [advance])


def figures(store):
    now = store.saga_figures()
    waits = {(flow, step): count for flow, step, count, _ in now.open_steps}
    missed = sum(n for (name, _), n in now.counts.items() if name == "saga_deadline_breaches")
    ended = sum(n for (name, _), n in now.counts.items() if name == "saga_ended")
    return waits, missed, ended


@pytest.mark.parametrize(("parent", "child"), NAMES)
@pytest.mark.parametrize("held", ["parent", "child"])
def test_one_that_another_worker_holds_is_waited_for_by_nobody(store, parent, child, held):
    flows = flows_of(parent, child)
    happened = [happens(1, "Placed", "o1"), happens(2, "Handed", "p1", "o1"), happens(15, "Delivered", "p1")]
    ingest, sweeper = Ingest(store, flows), Sweeper(store, flows)
    read(ingest, happened[:1], watermark_ms=1_000)
    sweeper.sweep()  # the first one looks at everything by the rules of the file
    read(ingest, happened[1:], begin=1, watermark_ms=500_000)
    key = {"parent": SagaKey(parent, "o1"), "child": SagaKey(child, "p1")}[held]
    with store.unit() as worker:
        assert list(worker.load_sagas([key])) == [key]
        sweeper.sweep()
        assert figures(store) == ({(parent, "ship"): 1}, 0, 0)
    sweeper.sweep()
    # The step was done in time; what misses its deadline is the bill.
    assert figures(store) == ({(parent, "bill"): 1}, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("parent", "child"), NAMES)
def test_by_new_rules_no_child_is_held_while_its_parent_is_waited_for(store, monkeypatch, parent, child):
    flows = flows_of(parent, child)
    happened = [happens(1, "Placed", "o1"), happens(2, "Handed", "p1", "o1"), happens(15, "Delivered", "p1")]
    read(Ingest(store, flows), happened, watermark_ms=500_000)
    met, failures = threading.Event(), []
    monkeypatch.setattr(NewRules, "_look_closer", telling(NewRules._look_closer, after=met))
    monkeypatch.setattr(Parents, "tell", telling(Parents.tell, before=met))

    def sweep():
        try:
            Sweeper(store, flows).sweep()
        except Exception as error:
            failures.append(error)

    sweeping = threading.Thread(target=sweep)
    with store.unit() as worker:
        worker.load_sagas([SagaKey(parent, "o1")])
        sweeping.start()
        assert met.wait(scaled(30))
        assert len(worker.load_sagas([SagaKey(child, "p1")])) == 1
    sweeping.join()
    assert not failures
    Sweeper(store, flows).sweep()
    assert figures(store) == ({(parent, "bill"): 1}, 1, 1)


def telling(method, before=None, after=None):
    """The method, and an event that is set once it is called, or has returned."""

    def told(*arguments):
        if before is not None:
            before.set()
        result = method(*arguments)
        if after is not None:
            after.set()
        return result

    return told


@pytest.mark.slow
@pytest.mark.parametrize(("parent", "child"), NAMES)
def test_while_others_read_and_sweep_nobody_is_in_the_way(store, parent, child):
    """Three readers and a sweep at once, on the same parents: no deadlock, and every child is told of once."""
    flows, orders, children = flows_of(parent, child), 40, 5
    chance = random.Random(3)
    read(Ingest(store, flows), [happens(1, "Placed", f"o{n}") for n in range(orders)], 3, watermark_ms=5_000)
    happened: list[Happening] = []
    for number in range(orders * children):
        order = f"o{number % orders}"
        happened += [happens(2, "Handed", f"p{number}", order), happens(3, "Delivered", f"p{number}")]
    chance.shuffle(happened)
    failures, over = [], threading.Event()

    def guarded(work):
        try:
            work()
        except Exception as error:
            failures.append(error)

    def read_on(partition):
        ingest, mine = (
            Ingest(store, flows),
            [item for item in happened if int(item.flow[1:]) % 3 == partition],
        )
        for begin in range(0, len(mine), 20):
            read(ingest, mine[begin : begin + 20], partition, begin, watermark_ms=5_000)

    def sweep_on():
        sweeper = Sweeper(store, flows)
        while not over.is_set():
            sweeper._sweep(5_000, over)

    readers = [threading.Thread(target=guarded, args=(lambda n=n: read_on(n),)) for n in range(3)]
    sweeping = threading.Thread(target=guarded, args=(sweep_on,))
    for thread in (sweeping, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    over.set()
    sweeping.join()
    Sweeper(store, flows).sweep()
    Sweeper(store, flows).sweep()
    assert not failures
    assert figures(store) == ({(parent, "bill"): orders}, 0, orders * children)
