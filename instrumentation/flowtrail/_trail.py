"""The facade: everything a service does with events goes through its `Trail`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from prometheus_client.registry import CollectorRegistry

from flowtrail import _fork, _settings, _wrap
from flowtrail._batch import Batch
from flowtrail._checks import check_whole
from flowtrail._clock import SYSTEM_CLOCK, Clock
from flowtrail._codec import Codec, Codecs
from flowtrail._event import Event
from flowtrail._ids import UUID7_IDS, Ids
from flowtrail._retry import Retry
from flowtrail._runtime import own_loop
from flowtrail._runtime.ending import Ending
from flowtrail._runtime.handlers import Handler, Plan, names
from flowtrail._runtime.leaving import wait_at_the_end
from flowtrail._runtime.own_loop import Block
from flowtrail._runtime.payloads import model_of
from flowtrail._runtime.producing import Pick, Picks, publishing
from flowtrail._runtime.publication import Publication
from flowtrail._runtime.publisher import Publisher
from flowtrail._runtime.registering import HEADERS_ONLY, Oversize, is_coroutine_function
from flowtrail._runtime.running import Lifecycle, Running, StopSignals
from flowtrail._runtime.services import Services
from flowtrail._sql import Connection
from flowtrail._telemetry import Decode, Telemetry
from flowtrail.clients import Client, choose_client, kind_of
from flowtrail.contracts import Contracts
from flowtrail.dedupe import Dedupe
from flowtrail.errors import ConfigurationError
from flowtrail.outbox import Outbox
from flowtrail.wire import CORRELATION_ALIASES, Header, RecordLike

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Callable[..., Any])
C = TypeVar("C")


class Trail:
    """Publishes and handles a service's events.

    Settings are keyword arguments first; environment variables apply where an argument is left out. Nothing
    is connected before it is needed.

    Args:
        service: Name of the service, the default consumer group, and the source of its events; also
            `FLOWTRAIL_SERVICE` or `OTEL_SERVICE_NAME`.
        bootstrap_servers: Kafka brokers, `host:port`; also `FLOWTRAIL_BOOTSTRAP_SERVERS` or
            `KAFKA_BOOTSTRAP_SERVERS`. Or RabbitMQ servers, `amqp://user:password@host:5672/vhost`; also
            `FLOWTRAIL_RABBITMQ_URL` or `RABBITMQ_URL`.
        client: `kafka-python`, `confluent` or `aiokafka` for Kafka, `pika` or `aio-pika` for RabbitMQ, or an
            adapter object; also `FLOWTRAIL_CLIENT`.
        client_settings: The client's own settings; those under `producer` and `consumer` go to one side only.
        codec: Makes payloads of data and data of payloads: a format, `json`, `avro` or `protobuf`, or a `Codec`;
            or a mapping from topics to them, with `*` for all others. Default: the format of the event's
            contract, JSON without one. What comes in says itself what it is, by its `content-type`.
        tracer_provider: OpenTelemetry provider; default: the global one, else one for the environment's
            OTLP endpoints.
        meter_provider: OpenTelemetry provider for metrics; default: the global one, else Prometheus.
        registry: Prometheus registry.
        links_only: Process spans link to their send spans instead of being their children.
        baggage_keys: Baggage entries that travel with events; none by default.
        correlation_aliases: Other people's correlation headers that are understood.
        clock: Where time comes from.
        ids: Where ids come from.
        timing: How long things may take.
        contracts: Schemas that data has to keep to, by type and version; default: nothing is checked.
    """

    def __init__(
        self,
        service: str | None = None,
        bootstrap_servers: str | list[str] | None = None,
        *,
        client: str | Client | None = None,
        client_settings: Mapping[str, Any] | None = None,
        codec: Codec | str | Mapping[str, Codec | str] | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        registry: CollectorRegistry | None = None,
        links_only: bool = False,
        baggage_keys: Iterable[str] = (),
        correlation_aliases: Sequence[str] = CORRELATION_ALIASES,
        clock: Clock = SYSTEM_CLOCK,
        ids: Ids = UUID7_IDS,
        timing: _settings.Timing | None = None,
        contracts: Contracts | None = None,
    ) -> None:
        self._chosen_client = client if client is not None else _settings.client_name()
        self.telemetry = Telemetry(
            service,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            registry=registry,
            links_only=links_only,
            baggage_keys=baggage_keys,
            correlation_aliases=correlation_aliases,
            clock=clock,
            ids=ids,
            system=kind_of(self._chosen_client).system,
        )
        self.codecs = Codecs(codec)
        self.codec: Codec = self.codecs.default
        self.contracts = contracts
        self.timing = timing if timing is not None else _settings.Timing()
        self._client_settings = client_settings
        self._bootstrap_servers = bootstrap_servers
        self._plans: dict[str, Plan] = {}
        self._outboxes: list[Outbox] = []
        self._services_made: Services | None = None
        self._lock = threading.Lock()
        self._lifecycle = Lifecycle(self.timing.shutdown_timeout_seconds)
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.free(self._lock)

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.telemetry.service

    @property
    def _services(self) -> Services:
        if self._services_made is None:
            with self._lock:
                if self._services_made is None:
                    client = choose_client(
                        self._chosen_client, self._bootstrap_servers, self._client_settings
                    )
                    publisher = Publisher(self.telemetry, client, self.codecs, self.contracts)
                    wait_at_the_end(publisher, self.timing.shutdown_timeout_seconds)
                    self._services_made = Services(self.telemetry, publisher, self.timing)
        return self._services_made

    def _swap(self, telemetry: Telemetry, services: Services | None) -> tuple[Telemetry, Services | None]:
        """Put other parts in the place of telemetry, client and publisher, for tests; hands back the old."""
        with self._lock:
            before = self.telemetry, self._services_made
            self.telemetry, self._services_made = telemetry, services
            return before

    # -- publishing

    def publish(
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
        wait: bool = True,
    ) -> Publication:
        """Publish an event.

        Inside a handler this doesn't block: the consumed record is committed once the broker has
        acknowledged. Outside one it waits for the acknowledgement; in a coroutine `await` does, and a
        publication that nobody awaits is still counted, and logged if it fails.

        Args:
            topic: Topic to publish to.
            data: Payload, for the codec; None publishes a tombstone.
            type: What happened, past tense.
            subject: The aggregate's id.
            key: Record key; default: the subject.
            version: Of the data's contract; written as `type/version`.
            sequence: Position in the aggregate's stream.
            id: Event id; default: a new UUIDv7.
            time: When it happened; default: now.
            headers: Further headers; not mutated.
            wait: False doesn't wait outside a handler either.

        Returns:
            The publication: a future, already done where this call waited; `await` it in a coroutine.

        Raises:
            ContractError: The data breaks its contract.
            EncodeError: The data can't be turned into bytes, or an id, the subject, the sequence, the time or a
                header can't be written as it is: nothing is cut.
            PublishError: The broker didn't take it (where this call, or `await`, waits).
        """
        publication = self._services.publisher.publish(
            topic, data, type=type, subject=subject, key=key, version=version, sequence=sequence, id=id,
            time=time, headers=headers,
        )  # fmt: skip
        if wait:
            self._wait_for(publication)
        return publication

    def _wait_for(self, publication: Publication) -> None:
        publication.settle(self.timing.publish_timeout_seconds)

    def producer(
        self,
        topic: str,
        *,
        type: str,
        subject: Pick | None = None,
        key: Pick | None = None,
        version: str | int | None = None,
        sequence: Pick | None = None,
        wait: bool = True,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Publish what a function returns, each time it is called; see `publish`.

        The function keeps its signature and its result. A coroutine function awaits the acknowledgement; a
        plain function that a coroutine calls doesn't wait for it, since that would block the loop.
        Returning None publishes nothing.

        Args:
            topic: Topic to publish to.
            type: Event type.
            subject: Name of the argument, or of the field of the returned data, that is the aggregate's id;
                or a function of the data.
            key: Likewise for the record key; default: the subject.
            version: Of the data's contract.
            sequence: Likewise for the position in the aggregate's stream.
            wait: False doesn't wait for the acknowledgement outside a handler either; a failure is then only
                logged and counted.
        """

        def publish(
            data: Any, subject: str | None, key: str | bytes | None, sequence: int | None
        ) -> Publication:
            return self._services.publisher.publish(
                topic, data, type=type, subject=subject, key=key, version=version, sequence=sequence
            )

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            picks = Picks.of(function, subject=subject, key=key, sequence=sequence)
            return publishing(function, picks, publish, self._wait_for, wait)

        return decorate

    # -- handling

    def consumer(
        self,
        topics: str | Iterable[str],
        *,
        types: str | Iterable[str] | None = None,
        group: str | None = None,
        retry: Retry | None = None,
        dead_letter: bool | str = True,
        dedupe: Dedupe | None = None,
        start: str = "earliest",
        concurrency: int = 1,
        batch: int | None = None,
        timeout: float | None = None,
        oversize: Oversize = HEADERS_ONLY,
    ) -> Callable[[H], H]:
        """Handle events with a function, `def` or `async def`, that takes an `Event`.

        The function itself stays as it is: calling it directly just calls it. Whatever awaitable it returns is
        awaited. However long it takes, its member stays in the group.

        Args:
            topics: What to listen to; several handlers of one group share one consumer.
            types: Event types to handle; the others are passed over without being decoded. None takes all.
            group: Consumer group; default: the service's name.
            retry: What happens when the handler raises; default `Retry()`.
            dead_letter: What happens after the last attempt: True publishes the record to
                `<topic>.<group>.dlq`, a name to that topic; False logs it and moves on.
            dedupe: Where to remember handled events, to pass over those that come again.
            start: Where a group without offsets begins: `earliest` or `latest`.
            concurrency: How many members of the group run in this process, each in its own thread.
            batch: The handler takes a `Batch` of at most this many events of one partition, as many as are
                there: `for member in batch: with member as event: ...`. An event that failed is retried or
                dead-lettered, by itself; see `Batch`. With retry topics an event comes back in a batch of one.
            timeout: How long a call may take, in seconds; one that takes longer has failed, and the retry
                policy decides. A coroutine is cancelled. A plain function can't be: it keeps running in a thread of
                its own, and its partition waits for its end.
            oversize: What a dead letter carries in place of a value that is too large for its topic:
                `headers-only` nothing (the record stays where it was consumed), a function what it makes of
                the record, bytes that say where it has put the value.

        Raises:
            ConfigurationError: The settings contradict each other or another handler's, the function is a
                generator, or a topic's name isn't allowed by Kafka.
        """
        if start not in ("earliest", "latest"):
            raise ConfigurationError(f"start is {start!r}, should be 'earliest' or 'latest'")
        check_whole("concurrency", concurrency, 1)
        if batch is not None:
            check_whole("batch", batch, 1)
        group = group or self.service

        def decorate(function: H) -> H:
            handler = Handler(
                function=function,
                topics=names(topics, "topic"),
                types=None if types is None else frozenset(names(types, "type")),
                group=group,
                retry=retry if retry is not None else Retry(),
                dead_letter=dead_letter,
                dedupe=dedupe,
                start=start,
                concurrency=concurrency,
                model=model_of(function, inspect.currentframe()),
                is_async=is_coroutine_function(function),
                batch=batch,
                timeout=timeout,
                oversize=oversize,
            )
            kind = kind_of(self._chosen_client, self._client_settings)
            plan = self._plans.get(group) or Plan(group, kind)
            plan.add(handler)
            self._plans[group] = plan
            return function

        return decorate

    def outbox(
        self, connect: Callable[[], Connection], *, table: str = "flowtrail_outbox", poll_seconds: float = 0.1
    ) -> Outbox:
        """An outbox in the service's own database; a running trail relays it.

        Args:
            connect: Opens a connection for the relay, in the relay's thread: DB-API, Django's or SQLAlchemy's.
            table: Where events wait.
            poll_seconds: How often the relay looks for events that another process added.

        Raises:
            ConfigurationError: `connect` can't be called, or the table's name isn't an identifier.
        """
        outbox = Outbox(
            lambda: self.telemetry, self.codecs, connect, table=table, poll_seconds=poll_seconds,
            contracts=self.contracts,
        )  # fmt: skip
        self._outboxes.append(outbox)
        return outbox

    # -- for programs that keep their own loop

    def wrap_producer(self, producer: C) -> C:
        """The same producer, with correlation and trace on every message; see `flowtrail._wrap`.

        Raises:
            ConfigurationError: It is none of the known clients.
        """
        return _wrap.wrap_producer(self.telemetry, producer)

    def wrap_consumer(self, consumer: C, *, group: str | None = None) -> C:
        """The same consumer, whose records are handled inside their process span.

        Raises:
            ConfigurationError: It is none of the known clients.
        """
        return _wrap.wrap_consumer(self.telemetry, consumer, group=group)

    def process(self, record: RecordLike, *, group: str | None = None) -> Block[Event[Any]]:
        """A block that handles one record of any client, within its process span.

        What is published inside doesn't block; the block ends when it is acknowledged. Commit after it. In a
        coroutine write `async with`: then neither that nor a registry that is asked for a contract is waited
        for on the event loop.

        Raises:
            DecodeError: The payload isn't what it should be; raised inside the span.
            PublishError: A publication failed, or wasn't acknowledged in time.
        """
        seconds = self.timing.publish_timeout_seconds
        return own_loop.process(
            self.telemetry, record, group=group, decode=self._decode([record]), timeout_seconds=seconds
        )

    def process_batch(self, records: Sequence[RecordLike], *, group: str | None = None) -> Block[Batch[Any]]:
        """A block that handles several records within one span, linked to the records' own traces.

        `with trail.process_batch(records) as batch:`, and inside, for each message, `for member in batch:`
        `with member as event:`. A message whose block was not entered counts as handled. In a coroutine write
        `async with trail.process_batch(records)`, as with `process`.

        Raises:
            PublishError: A publication failed, or wasn't acknowledged in time.
        """
        seconds = self.timing.publish_timeout_seconds
        return own_loop.process_batch(
            self.telemetry, records, group=group, decode=self._decode(records), timeout_seconds=seconds
        )

    def _decode(self, records: Sequence[RecordLike]) -> Decode:
        return own_loop.decoder_of(self.telemetry, self.codecs, self.contracts, records)

    # -- running

    def run(self) -> None:
        """Handle events until SIGTERM or SIGINT, then stop cleanly; a second signal ends the process.

        Stopping finishes the message in hand, waits for publications, commits, leaves the groups and flushes
        telemetry. A broker that can't be reached is tried again and again.

        Raises:
            ConfigurationError: There is nothing to run, or this isn't the main thread.
            SystemExit: A handler has called `sys.exit`; or whatever else it raised to end the program.
        """
        with StopSignals() as signals:
            stop = self._start()
            signals.wait(stop)
            self.close()
        if stop.reason is not None:
            raise stop.reason

    def running(self) -> Running:
        """Handle events while a `with` or `async with` block runs; signals are left alone.

        In `async with`, coroutine handlers run on the loop of that block.
        """
        return Running(self._start, self._stop, self._use_loop)

    def _use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._services.invoker.use(loop)

    def ready(self, timeout_seconds: float = 0.0) -> bool:
        """Whether every consumer has joined its group, waiting for it if asked to."""
        return self._lifecycle.ready(timeout_seconds)

    def _start(self) -> Ending:
        if not self._plans and not self._outboxes:
            raise ConfigurationError("nothing to run: no consumer is decorated, and there is no outbox")
        return self._lifecycle.start(self._services, self._plans.values(), self._outboxes)

    def _stop(self) -> BaseException | None:
        reason = self._lifecycle.stop(self._services_made)
        self.telemetry.flush()
        return reason

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until everything published is acknowledged and telemetry is out; False if it took longer."""
        published = self._services_made is None or self._services.publisher.flush(timeout_seconds)
        return self.telemetry.flush(timeout_seconds) and published

    def close(self) -> None:
        """Stop what runs, publish what is under way, flush telemetry, close the contracts' connections.

        Safe to call again.
        """
        self._stop()
        self.telemetry.close()
        if self.contracts is not None:
            self.contracts.close()
