"""From the outbox's table to Kafka."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import closing, suppress
from typing import Any, NamedTuple

from flowtrail._context import extract
from flowtrail._retry import BACKOFF
from flowtrail._runtime.publication import Publication
from flowtrail._runtime.publisher import Publisher
from flowtrail._sql import Connection, execute_many, fetch
from flowtrail.errors import EncodeError
from flowtrail.outbox._lease import Lease
from flowtrail.wire import names

_log = logging.getLogger("flowtrail")

_BATCH = 200
_ACK_SECONDS = 60.0
# An event is added before its transaction commits: look again soon, a few times.
_SOON_SECONDS = 0.01
_SOON_TIMES = 5


class _Row(NamedTuple):
    position: int
    event_id: str
    topic: str
    key: bytes | None
    value: bytes | None
    event: dict[str, Any]

    @property
    def stream(self) -> tuple[str, bytes | None]:
        """What keeps its order."""
        return self.topic, self.key


class Relay:
    """Publishes waiting events in a thread, in order, and deletes those that are acknowledged.

    An event that the broker refuses holds up those with the same topic and key, and no others.

    Args:
        connect: Opens a connection; called in the thread.
        table: Where events wait.
        publisher: Publishes them.
        stop: Set when the trail stops.
        added: Set when an event was added in this process.
        poll_seconds: How often to look for events of other processes.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        table: str,
        publisher: Publisher,
        stop: threading.Event,
        added: threading.Event,
        poll_seconds: float,
    ) -> None:
        self._connect = connect
        self._table = table
        self._publisher = publisher
        self._stop = stop
        self._added = added
        self._poll_seconds = poll_seconds
        self._lease = Lease(f"{table}_lease")
        self._refused: dict[tuple[str, bytes | None], tuple[int, float]] = {}
        self._thread = threading.Thread(target=self._run, name=f"flowtrail-{table}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end; False if it takes longer."""
        self._added.set()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                with closing(self._connect()) as connection:
                    failures = 0
                    self._relay_until_stopped(connection)
            except Exception as error:  # noqa: BLE001 - the database may come back
                failures += 1
                wait_seconds = BACKOFF.wait_seconds(failures)
                _log.error("outbox %s: %s: %s; trying again in %.1f s",
                           self._table, type(error).__name__, error, wait_seconds)  # fmt: skip
                self._stop.wait(wait_seconds)

    def _relay_until_stopped(self, connection: Connection) -> None:
        soon = 0
        while not self._stop.is_set():
            published = self.relay_once(connection)
            if self._added.is_set():
                self._added.clear()
                soon = _SOON_TIMES
            if published:
                continue
            soon -= 1
            if soon > 0:
                self._stop.wait(_SOON_SECONDS)
            else:
                self._added.wait(self._poll_seconds)
        with suppress(Exception):
            self.release(connection)

    def release(self, connection: Connection) -> None:
        """Let another process relay at once."""
        self._lease.release(connection)

    def relay_now(self) -> int:
        """`relay_once` on a connection of its own, for tests without a thread."""
        with closing(self._connect()) as connection:
            published = self.relay_once(connection)
            self.release(connection)
            return published

    def relay_once(self, connection: Connection) -> int:
        """Publish everything that waits, once.

        Returns:
            How many events were acknowledged and deleted; 0 as well if another process relays.
        """
        published = position = 0
        while not self._stop.is_set():
            rows = self._rows_after(connection, position)
            # Renewing the lease writes: only when there is something to relay.
            if not rows or not (self._lease.held or self._lease.take(connection)):
                return published
            published += self._publish(connection, rows)
            position = rows[-1].position
        return published

    def _rows_after(self, connection: Connection, position: int) -> list[_Row]:
        rows = fetch(
            connection,
            "SELECT position, event_id, topic, record_key, record_value, event"  # noqa: S608
            f" FROM {self._table} WHERE position > ? ORDER BY position LIMIT {_BATCH}",
            (position,),
        )
        connection.commit()  # a read transaction held open would stop PostgreSQL's vacuum
        return [
            _Row(at, event_id, topic, _as_bytes(key), _as_bytes(value), json.loads(event))
            for at, event_id, topic, key, value, event in rows
        ]

    def _publish(self, connection: Connection, rows: list[_Row]) -> int:
        now = time.monotonic()
        held_up = {stream for stream, (_, until) in self._refused.items() if until > now}
        sent = [(row, self._try(row)) for row in rows if row.stream not in held_up]
        wait([publication for _, publication in sent], timeout=_ACK_SECONDS)
        done: list[int] = []
        failed: set[tuple[str, bytes | None]] = set()
        for row, publication in sent:
            # Behind a failed event the next ones stay too, although they arrived: published again after it,
            # the stream ends in the right order.
            if row.stream in failed:
                continue
            if publication.done() and publication.exception() is None:
                done.append(row.position)
                self._refused.pop(row.stream, None)
            else:
                failed.add(row.stream)
                self._note_failure(row, publication)
        self._delete(connection, done)
        return len(done)

    def _try(self, row: _Row) -> Publication:
        try:
            return self._send(row)
        except EncodeError as error:  # a row from elsewhere, which only holds up its own stream
            refused = Publication(row.topic, row.event_id)
            refused.set_exception(error)
            return refused

    def _send(self, row: _Row) -> Publication:
        event = row.event
        headers = [
            (name, None if text is None else text.encode("latin-1")) for name, text in event["headers"]
        ]
        outgoing = self._publisher.telemetry.sending(
            row.topic,
            type=event["type"],
            subject=event["subject"],
            sequence=event["sequence"],
            id=row.event_id,
            time=event["time"],
            dataschema=event["dataschema"],
            content_type=event["content_type"],
            key=row.key,
            value_size=None if row.value is None else len(row.value),
            tombstone=row.value is None,
            headers=[header for header in headers if header[0] not in _FLOW_HEADERS],
            context=extract(headers, baggage_keys=self._publisher.telemetry.baggage_keys),
        )
        return self._publisher.relay(outgoing, row.key, row.value)

    def _note_failure(self, row: _Row, publication: Publication) -> None:
        tries = self._refused.get(row.stream, (0, 0.0))[0] + 1
        wait_seconds = BACKOFF.wait_seconds(tries)
        self._refused[row.stream] = (tries, time.monotonic() + wait_seconds)
        reason = publication.exception() if publication.done() else "not acknowledged in time"
        _log.error("outbox %s: %s; it and those behind it are tried again in %.1f s",
                   self._table, reason, wait_seconds)  # fmt: skip

    def _delete(self, connection: Connection, positions: list[int]) -> None:
        if not positions:
            return
        statement = f"DELETE FROM {self._table} WHERE position = ?"  # noqa: S608
        execute_many(connection, statement, [(position,) for position in positions])
        connection.commit()


_FLOW_HEADERS = frozenset({
    names.CORRELATION_ID, names.CAUSATION_ID, names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE,
})  # fmt: skip


def _as_bytes(value: Any) -> bytes | None:
    """What a driver hands back for a column of bytes."""
    return None if value is None else bytes(value)
