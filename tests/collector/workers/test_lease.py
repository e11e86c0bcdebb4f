"""One leader, another when it is gone, and none twice in the metrics."""

from __future__ import annotations

import threading
import time

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily

from flowtrail_collector.errors import StoreError
from flowtrail_collector.metrics.exposition import Exposition, Families, LeaderOnly
from flowtrail_collector.runtime.leadership import Leadership, while_leading
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.postgres.lease import PostgresLease
from servers._process import wait_for
from waiting import scaled


@pytest.fixture
def database(postgres):
    database = PostgresDatabase(postgres)
    yield database
    database.close()


@pytest.mark.servers
def test_a_lease_has_one_holder_until_it_ends(database):
    first, second = PostgresLease(database), PostgresLease(database)
    assert first.hold(60)
    assert not second.hold(60)
    assert first.hold(0.05)
    assert wait_for(lambda: second.hold(60), 10)
    assert not first.hold(60)
    first.give_up()  # what it no longer has
    assert not first.hold(60)
    second.give_up()
    assert first.hold(60)
    assert PostgresLease(database, "other").hold(60)


@pytest.mark.servers
def test_the_next_worker_leads_when_one_stops(database):
    leaders = [Leadership(PostgresLease(database), seconds=0.6) for _ in range(3)]
    stops = [threading.Event() for _ in leaders]
    threads = [
        threading.Thread(target=leader.run, args=(stop,)) for leader, stop in zip(leaders, stops, strict=True)
    ]
    for thread in threads:
        thread.start()
    for left in (3, 2, 1):
        assert wait_for(lambda: sum(leader.leading() for leader in leaders) == 1, 10)
        (leader,) = [number for number, leader in enumerate(leaders) if leader.leading()]
        stops[leader].set()
        threads[leader].join()
        assert not leaders[leader].leading(), left
    assert not any(leader.leading() for leader in leaders)


class FakeLease:
    def __init__(self):
        self.answer = True

    def hold(self, seconds):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def give_up(self):
        raise StoreError("gone")


def test_a_leader_that_cannot_renew_stops_leading_in_time():
    lease = FakeLease()
    leader = Leadership(lease, seconds=0.3)
    stop = threading.Event()
    thread = threading.Thread(target=leader.run, args=(stop,))
    thread.start()
    assert wait_for(leader.leading, 5)
    lease.answer = StoreError("the database is away")
    assert wait_for(lambda: not leader.leading(), 5)
    assert leader.problem == "the database is away"
    lease.answer = True
    assert wait_for(lambda: leader.leading() and leader.problem is None, 5)
    stop.set()
    thread.join()
    assert not leader.leading()


class Sweeping:
    name = "sweep"
    problem = "x"

    def __init__(self):
        self.runs = 0
        self.busy = False

    def run(self, stop):
        self.runs += 1
        self.busy = True
        while not stop.wait(60):
            pass
        self.busy = False


@pytest.mark.slow
def test_a_part_works_only_while_leading():
    leads = [False]
    part = Sweeping()
    wrapped = while_leading(part, lambda: leads[0])
    stop = threading.Event()
    thread = threading.Thread(target=wrapped.run, args=(stop,))
    thread.start()
    time.sleep(0.3)
    assert (part.runs, wrapped.problem, wrapped.name) == (0, None, "sweep")
    for runs in (1, 2):
        leads[0] = True
        assert wait_for(lambda: part.busy, 5)
        assert wrapped.problem == "x"
        leads[0] = False
        assert wait_for(lambda: not part.busy, 5)
        assert part.runs == runs
    leads[0] = True
    assert wait_for(lambda: part.busy, 5)
    stop.set()
    thread.join(scaled(5))
    assert not thread.is_alive()


class Gauge(Families):
    def families(self):
        return [GaugeMetricFamily("a", "A.", value=1)]


class Text:
    def parts(self, openmetrics):
        return [b"b 2\n"]


def test_the_leaders_families_are_not_there_elsewhere():
    leads = [True]
    exposition = Exposition([LeaderOnly(Gauge(), lambda: leads[0]), LeaderOnly(Text(), lambda: leads[0])])
    assert b"a 1.0" in b"".join(exposition.page().chunks())
    assert b"b 2" in b"".join(exposition.page().chunks())
    leads[0] = False
    assert b"".join(exposition.page().chunks()) == b""
