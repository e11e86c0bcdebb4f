"""A trail without a broker, for tests of handlers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan

from flowtrail import _retry
from flowtrail._clock import FakeClock
from flowtrail._event import Event, build_event
from flowtrail._ids import SeededIds
from flowtrail._runtime.group import GroupMember
from flowtrail._runtime.payloads import decoder
from flowtrail._runtime.publisher import Publisher
from flowtrail._runtime.services import Services
from flowtrail._telemetry import Telemetry
from flowtrail._testing.capture import Capture
from flowtrail._testing.memory import MemoryBroker, MemoryClient
from flowtrail.contracts import Guard
from flowtrail.errors import FlowtrailError
from flowtrail.wire import Envelope, Header, Record, dead_letters

if TYPE_CHECKING:
    from types import TracebackType

    from flowtrail._trail import Trail

MAX_ROUNDS = 10_000


class Harness:
    """Runs a trail's handlers on an in-memory broker, within a `with` block.

    Ids are seeded, time stands still except for retries, whose waits pass at once. Whatever handlers publish
    is delivered to those of the trail's handlers that listen to it.

    Args:
        trail: The application's own; it is as before when the block ends.
        seed: For event ids, trace ids and jitter.

    Attributes:
        broker: Topics and offsets; can be told to refuse.
        clock: Moves when told, and when a retry waits.
    """

    def __init__(self, trail: Trail, *, seed: int = 0) -> None:
        self._trail = trail
        self._seed = seed
        self.clock = FakeClock()
        self.broker = MemoryBroker(clock=self.clock)
        self._capture = Capture(trail.service, seed)
        self._members: list[GroupMember] = []
        self._stop = threading.Event()
        self._delivered: set[str] = set()
        self._restore: Any = None

    def __enter__(self) -> Harness:
        """Take the trail off its broker and its telemetry."""
        _retry.seed(self._seed)
        self._capture.start()
        trail = self._trail
        telemetry = trail.telemetry.like(
            tracer_provider=self._capture.tracer_provider,
            registry=self._capture.registry,
            clock=self.clock,
            ids=SeededIds(self._seed),
        )
        client = MemoryClient(self.broker, blocking=False)
        publisher = Publisher(telemetry, client, trail.codecs, trail.contracts)
        services = Services(telemetry, publisher, trail.timing)
        self._services = services
        self._restore = trail._swap(telemetry, services)
        for plan in trail._plans.values():
            member = GroupMember(plan, services, self._stop)
            member.attach(client.open_consumer(plan.subscriptions, plan.group, member, start="earliest"))
            self._members.append(member)
        self._relays = [outbox.relay(publisher, self._stop) for outbox in trail._outboxes]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the trail back as it was."""
        self._services.invoker.close()
        self._trail._swap(*self._restore)
        self._capture.stop()

    # -- what goes in

    def deliver(
        self,
        topic: str,
        data: Any,
        *,
        type: str,
        subject: str | None = None,
        key: str | bytes | None = None,
        version: str | int | None = None,
        sequence: int | None = None,
        id: str | None = None,
        time: datetime | str | None = None,
        headers: Iterable[Header] | None = None,
        source: str = "/test",
    ) -> str:
        """Let an event arrive from another service, and run until there is nothing left to do.

        Returns:
            The event's id.

        Raises:
            FlowtrailError: The handlers cause one another's events without end.
        """
        publisher = self._services.publisher
        publication = publisher.publish(
            topic, data, type=type, subject=subject, key=key, version=version, sequence=sequence, id=id,
            time=time, headers=headers, source=source,
        )  # fmt: skip
        self._delivered.add(publication.event_id)
        self.run()
        return publication.event_id

    def deliver_raw(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Iterable[Header] = (),
    ) -> None:
        """Let any record arrive, for example one that can't be decoded."""
        self.broker.append(topic, key, value, list(headers))
        self.run()

    def run(self) -> None:
        """Handle and relay until there is nothing left to do; waits of retries pass at once.

        Raises:
            FlowtrailError: The handlers cause one another's events without end.
        """
        for _ in range(MAX_ROUNDS):
            worked = [member.step() for member in self._members]
            if any([*worked, *(relay.relay_now() for relay in self._relays)]):
                continue
            due = [at for member in self._members if (at := member.next_due_ns) is not None]
            if not due:
                for member in self._members:
                    member.finish()
                return
            self.clock.advance((min(due) - self.clock.monotonic_ns()) / 1e9)
        raise FlowtrailError(
            f"not done after {MAX_ROUNDS} rounds: do the handlers cause one another's events?"
        )

    # -- what came of it

    def published(self, topic: str | None = None, *, type: str | None = None) -> list[Event[Any]]:
        """Events that were published, but not delivered by the test; decoded where possible."""
        events = [self._event(record) for record in self.broker.records(topic)]
        return [event for event in events if event.id not in self._delivered and type in (None, event.type)]

    def dead_letters(self, topic: str | None = None) -> list[Event[Any]]:
        """What ended in dead letter topics, or in one of them."""
        return [
            self._event(record)
            for record in self.broker.records(topic)
            if any(name == dead_letters.TOPIC for name, _ in record.headers)
        ]

    def committed(self, group: str, topic: str) -> int | None:
        """The next offset that a group will read from a topic."""
        return self.broker.committed(group, topic)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in the order of their ends."""
        return self._capture.spans

    @property
    def logs(self) -> list[logging.LogRecord]:
        """What the library logged."""
        return self._capture.logs

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, by its Prometheus name; 0 if there are none."""
        return self._capture.metric(name, **labels)

    def _event(self, record: Record) -> Event[Any]:
        telemetry: Telemetry = self._services.telemetry
        publisher = self._services.publisher
        decode = decoder(
            publisher.codecs.of(record.topic), _AsPublished(self._trail.contracts, telemetry), record.topic
        )
        envelope = telemetry.read(record)
        try:
            return build_event(record, envelope, decode=decode)
        except FlowtrailError:  # not only what can't be read, also what can't be asked for
            return build_event(record, envelope)


class _AsPublished(Guard):
    """Reads payloads by their contracts, and leaves what they hold as it is."""

    __slots__ = ()

    def reading(self, topic: str, envelope: Envelope, data: Any, unpacked: Any = None) -> Any:
        return data
