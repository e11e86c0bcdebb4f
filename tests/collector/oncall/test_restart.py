"""What is on call over restarts: a trouble is as old as it was, and one that is over is told for half an hour."""

from __future__ import annotations

from flowtrail_collector.conditions import Condition
from flowtrail_collector.lag.model import GroupReading, Status
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.oncall.model import Kind
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.oncall.sql import SqlTroubles
from flowtrail_collector.oncall.watch import Watch
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.trails.sql import TrailReads

MINUTE = 60.0
BEGAN = 1_000_000.0


class Collector:
    """What is on call of one collector, from its start to its end."""

    def __init__(self, database, now):
        self._view = LagView(clock=lambda: self.now)
        self.now = now
        self.problems = {}
        reads = TrailReads(database, Flows())
        clock = lambda: self.now  # noqa: E731
        self._watch = Watch(self._view, reads, lambda: self.problems, time_seconds=clock)
        self._on_call = OnCall(
            self._watch,
            self._view,
            reads,
            self._view.progress,
            keeper=SqlTroubles(database),
            time_seconds=clock,
        )

    def look(self, now, *readings, failures=()):
        self.now = now
        self._view.publish(readings, now, failures)
        self._on_call.look(stored=True)
        return {change.key: change for change in self._on_call.report().changes}


def reading(status, lag, since=None):
    return GroupReading(
        "billing", "consumer", "empty", None, status=status, sum_lag=lag, members=0, since=since
    )


BILLING = (Kind.GROUP, ("billing",))


def test_a_group_stays_as_old_as_it_was_until_it_is_known_to_be_well(sql_database):
    first = Collector(sql_database, BEGAN + 5 * MINUTE)
    told = first.look(BEGAN + 5 * MINUTE, reading(Status.STOPPED, 4, BEGAN))[BILLING]
    assert (told.since_ms, told.ended_ms) == (BEGAN * 1000, None)
    # It is judged as slow for a while, and what it left unread is younger: that is the same trouble.
    told = first.look(BEGAN + 6 * MINUTE, reading(Status.BEHIND, 4, BEGAN + 3 * MINUTE))[BILLING]
    assert (told.since_ms, told.ended_ms) == (BEGAN * 1000, None)

    second = Collector(sql_database, BEGAN + 7 * MINUTE)
    told = second.look(BEGAN + 7 * MINUTE, reading(Status.OK, 4))[BILLING]
    assert (told.since_ms, told.ended_ms) == (BEGAN * 1000, None)
    told = second.look(BEGAN + 8 * MINUTE, reading(Status.OK, 0))[BILLING]
    assert (told.since_ms, told.ended_ms) == (BEGAN * 1000, (BEGAN + 8 * MINUTE) * 1000)

    third = Collector(sql_database, BEGAN + 30 * MINUTE)
    told = third.look(BEGAN + 30 * MINUTE, reading(Status.OK, 0))[BILLING]
    assert (told.since_ms, told.ended_ms) == (BEGAN * 1000, (BEGAN + 8 * MINUTE) * 1000)
    assert third.look(BEGAN + 39 * MINUTE, reading(Status.OK, 0)) == {}
    assert Collector(sql_database, BEGAN + 40 * MINUTE).look(BEGAN + 40 * MINUTE, reading(Status.OK, 0)) == {}


def test_a_silent_broker_is_one_line_before_and_after_a_restart_and_when_it_is_back(sql_database):
    said = "RabbitMQ's management API at http://mq takes too long to tell its queues"
    names = [f"rabbitmq:orders.{name}" for name in ("billing", "shipping", "audit")]
    failures = [Failure("broker", "amqp://mq", said), *(Failure("group", name, said) for name in names)]
    queues = [
        GroupReading(name, "queue", "stable", BEGAN - 20, status=Status.OK, sum_lag=0, members=1)
        for name in names
    ]
    for start in (BEGAN, BEGAN + MINUTE):
        collector = Collector(sql_database, start)
        collector.problems = {"rabbitmq": Condition.of("no RabbitMQ broker answers at amqp://mq")}
        collector.look(start, *queues, failures=failures)
        (line,) = collector.look(start + 20, *queues, failures=failures).values()
        assert line.key == (Kind.BROKER, ("RabbitMQ",))
        assert line.text == "no RabbitMQ broker answers at amqp://mq; 3 groups can't be read because of it"
    collector.problems = {}
    (line,) = collector.look(BEGAN + 2 * MINUTE, *(queue for queue in queues)).values()
    assert (line.kind, line.ended_ms) == (Kind.BROKER, (BEGAN + 2 * MINUTE) * 1000)
