"""From data to a record on its way to the broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from flowtrail import _fork
from flowtrail._clock import remaining
from flowtrail._codec import Codecs, format_of
from flowtrail._context import FlowContext
from flowtrail._runtime.lanes import Lanes
from flowtrail._runtime.packing import as_packed, snapshot, written_meanwhile
from flowtrail._runtime.publication import Publication, must_not_wait
from flowtrail._runtime.scope import Scope, current_scope
from flowtrail._telemetry import OutgoingMessage, Telemetry
from flowtrail.clients import (
    Client,
    ClientError,
    Delivered,
    Message,
    OnDelivery,
    ProducerClient,
    ReachedError,
    RefusedError,
    UnreachableError,
    unreachable,
)
from flowtrail.contracts import Contracts, Guard, Packed, RegistryUnavailableError
from flowtrail.errors import ConfigurationError, ContractError, EncodeError, FlowtrailError, PublishError
from flowtrail.wire import Header
from flowtrail.wire.write import checked_pairs


class Publisher:
    """Publishes through one producer, which it opens when it is first needed.

    It waits where sending has to wait, but never on an event loop or in the callback of a publication: there, what
    would have to wait is sent from another thread. A forked child opens a producer of its own.

    Args:
        telemetry: Reports each publication.
        client: Opens the producer.
        codecs: Make bytes of data, by topic.
        contracts: What data has to keep to.

    Attributes:
        guard: Checks data against the contracts, and counts.
    """

    def __init__(
        self, telemetry: Telemetry, client: Client, codecs: Codecs, contracts: Contracts | None = None
    ) -> None:
        self.telemetry = telemetry
        self.client = client
        self.codecs = codecs
        self.guard = Guard(contracts, telemetry)
        self._producer: ProducerClient | None = None
        self._lock = threading.Lock()
        self._lanes = Lanes("flowtrail-send")
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        self._producer = None
        self._lock = threading.Lock()

    def publish(
        self,
        topic: str,
        data: Any,
        *,
        type: str | None,
        subject: str | None = None,
        key: str | bytes | None = None,
        version: str | int | None = None,
        sequence: int | None = None,
        id: str | None = None,
        time: datetime | str | None = None,
        headers: Iterable[Header] | None = None,
        context: FlowContext | None = None,
        source: str | None = None,
    ) -> Publication:
        """Encode an event and hand it to the client; see `Trail.publish`.

        Raises:
            ContractError: The data breaks its contract.
            EncodeError: The data can't be turned into bytes, or an id, the subject, the sequence, the time or a header
                can't be written as it is: nothing is cut.
        """
        codec = self.codecs.of(topic)
        wanted = format_of(codec)
        value: bytes | None
        given = checked_pairs(headers)
        checks_later = must_not_wait() and not self.guard.at_hand(type, version, data)
        if checks_later:
            asked = partial(self.guard.publishing, topic, type, version, snapshot(data), wanted)
            value, content_type, check = written_meanwhile(codec, data, asked)
        else:
            packed = self.guard.publishing(topic, type, version, data, wanted)
            content_type = codec.content_type if packed is None else packed.content_type
            value = packed.value if packed is not None else None if data is None else codec.encode(data)
        raw_key = encode_key(key if key is not None else subject)
        outgoing = self.telemetry.sending(
            topic,
            type=type,
            subject=subject,
            sequence=sequence,
            id=id,
            time=time,
            source=source,
            dataschema=dataschema(type, version),
            content_type=None if value is None else content_type,
            key=raw_key,
            value_size=None if value is None else len(value),
            tombstone=value is None,
            headers=given,
            context=context,
        )
        return self._send(outgoing, raw_key, value, current_scope(), check if checks_later else None)

    def forward(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[Header],
        scope: Scope | None = None,
    ) -> Publication:
        """Pass a consumed record on (retry topic, dead letter): bytes and event headers stay as they are."""
        outgoing = self.telemetry.sending(
            topic,
            key=key,
            value_size=None if value is None else len(value),
            tombstone=value is None,
            headers=headers,
            forward=True,
        )
        return self._send(outgoing, key, value, scope, own=True)

    def relay(self, outgoing: OutgoingMessage, key: bytes | None, value: bytes | None) -> Publication:
        """Send what was encoded before (outbox); no handler waits for it."""
        return self._send(outgoing, key, value, None)

    def _send(
        self,
        outgoing: OutgoingMessage,
        key: bytes | None,
        value: bytes | None,
        scope: Scope | None,
        check: Callable[[], Packed | None] | None = None,
        *,
        own: bool = False,
    ) -> Publication:
        publication = Publication(outgoing.topic, outgoing.event_id or "")
        publication.in_handler = scope is not None and scope.begin()
        if not publication.in_handler:
            scope = None

        def on_delivery(delivered: Delivered | None, error: Exception | None) -> None:
            failure = None
            try:  # whatever the publication's own callbacks raise, the handler's offset is committed
                if error is None and delivered is not None:
                    outgoing.acked(delivered)
                    publication.set_result(delivered)
                    return
                failure = self._failure(publication, error)
                outgoing.fail(error or failure)
                publication.set_exception(failure)
            finally:
                if scope is not None:
                    scope.end(failure, retriable=publication.retriable)

        message = Message(outgoing.topic, key, value, outgoing.headers, own)
        if check is not None:
            self._lanes.put(message.topic, partial(self._send_checked, check, message, on_delivery))
        elif must_not_wait():
            self._send_at_once(message, on_delivery)
        elif self._lanes.has(outgoing.topic):
            self._send_in_lane(message, on_delivery)
        else:
            self._send_here(message, on_delivery)
        return publication

    def _send_here(self, message: Message, on_delivery: OnDelivery) -> None:
        """Send from a thread that may wait, though not for a topic that may never be there."""
        try:
            apart = self.producer().waits_for(message.topic)
        except Exception as error:  # noqa: BLE001 - reported like a failed delivery
            on_delivery(None, error)
            return
        if apart:
            self._send_in_lane(message, on_delivery)
        else:
            self._send_waiting(message, on_delivery)

    def _send_at_once(self, message: Message, on_delivery: OnDelivery) -> None:
        producer = self._producer
        try:
            sent = (
                producer is not None
                and not self._lanes.has(message.topic)
                and producer.send_at_once(message, on_delivery)
            )
        except Exception as error:  # noqa: BLE001 - reported like a failed delivery
            on_delivery(None, error)
        else:
            if not sent:
                self._send_in_lane(message, on_delivery)

    def _send_in_lane(self, message: Message, on_delivery: OnDelivery) -> None:
        self._lanes.put(message.topic, partial(self._send_waiting, message, on_delivery))

    def _send_checked(
        self, check: Callable[[], Packed | None], message: Message, on_delivery: OnDelivery
    ) -> None:
        try:
            message = as_packed(message, check())
        except Exception as error:  # noqa: BLE001 - reported like a failed delivery
            on_delivery(None, error)
        else:
            self._send_waiting(message, on_delivery)

    def _send_waiting(self, message: Message, on_delivery: OnDelivery) -> None:
        try:
            self.producer().send(message, on_delivery)
        except Exception as error:  # noqa: BLE001 - reported like a failed delivery
            on_delivery(None, error)
        except BaseException:  # Ctrl-C while it waits: nobody else would end the publication
            on_delivery(None, ClientError("interrupted"))
            raise

    def _failure(self, publication: Publication, error: Exception | None) -> FlowtrailError:
        if isinstance(error, ContractError | EncodeError | RegistryUnavailableError):
            publication.retriable = isinstance(error, RegistryUnavailableError)
            return error
        unsure = isinstance(error, ClientError) and not isinstance(error, RefusedError)
        publication.retriable = unsure or (error is not None and self.client.is_retriable(error))
        named = f" {publication.event_id}" if publication.event_id else ""
        failure = PublishError(
            f"event{named} was not published to {publication.topic}: {error}",
            topic=publication.topic,
            event_id=publication.event_id or None,
            retriable=publication.retriable,
        )
        failure.__cause__ = error
        return failure

    def producer(self) -> ProducerClient:
        """The producer, opened on first use.

        Raises:
            ClientError: No broker could be reached; says what to do.
        """
        producer = self._producer
        if producer is not None:
            return producer
        with self._lock:
            if self._producer is None:
                with reaching(self.client):
                    self._producer = self.client.open_producer()
            return self._producer

    def flush(self, timeout_seconds: float) -> bool:
        """Wait for everything under way; False if it took longer."""
        deadline = monotonic() + timeout_seconds
        if not self._lanes.wait(timeout_seconds):
            return False
        producer = self._producer
        return producer.flush(remaining(deadline)) if producer is not None else True

    def close(self, timeout_seconds: float) -> None:
        """Close the producer; the next publication opens a new one."""
        deadline = monotonic() + timeout_seconds
        self._lanes.wait(timeout_seconds)
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(remaining(deadline))


@contextmanager
def reaching(client: Client) -> Iterator[None]:
    """A block that connects; its failure says in one line where to, and what to do.

    Raises:
        ClientError: No broker could be reached.
    """
    try:
        yield
    except (ReachedError, UnreachableError):
        raise
    except ClientError as error:
        raise unreachable(client.kind, client.address, error) from error


def encode_key(key: str | bytes | None) -> bytes | None:
    """A record key's bytes.

    Raises:
        ConfigurationError: It is neither text nor bytes.
        EncodeError: The text isn't UTF-8.
    """
    if key is None or isinstance(key, bytes):
        return key
    if isinstance(key, str):
        try:
            return key.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"a record key that can't be printed or written as UTF-8: {error}") from error
    raise ConfigurationError(f"a record key is str or bytes, not {type(key).__name__}")


def dataschema(type: str | None, version: str | int | None) -> str | None:
    """`Type/Version`, None without a version."""
    return None if version is None or type is None else f"{type}/{version}"
