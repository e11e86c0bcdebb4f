"""Write an event in the transaction that changes the state; a relay publishes it later."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flowtrail._codec import Codecs, format_of
from flowtrail._context import inject
from flowtrail._runtime.publisher import Publisher, dataschema, encode_key
from flowtrail._sql import Connection, dialect_of, execute, fetch, in_transaction, table_name
from flowtrail._telemetry import Telemetry
from flowtrail._telemetry.identity import EventHeaders
from flowtrail.contracts import Contracts, Guard
from flowtrail.errors import ConfigurationError
from flowtrail.outbox._relay import Relay
from flowtrail.wire import Header, names
from flowtrail.wire.write import checked_pairs, exact_text


class Outbox:
    """Events that wait in a table of the service's own database; `Trail.outbox` makes it.

    `add` writes the event in the caller's transaction: it is published if, and only if, that transaction
    commits. A running trail relays: at least once, in the order of `add` for equal keys, with the id, the
    time, the flow and the trace that were current when the event was added. Several processes may relay one
    table; a lease lets one of them do it at a time.

    Args:
        telemetry: Hands back what makes ids and tells the time; a test may have put another in its place.
        codecs: Make payloads, by topic.
        connect: Opens a connection for the relay; called in its thread.
        table: Where events wait; `<table>_lease` is the relay's lease.
        poll_seconds: How often the relay looks for events that another process added.
        contracts: What data has to keep to, checked when it is added.
    """

    def __init__(
        self,
        telemetry: Callable[[], Telemetry],
        codecs: Codecs,
        connect: Callable[[], Connection],
        *,
        table: str = "flowtrail_outbox",
        poll_seconds: float = 0.1,
        contracts: Contracts | None = None,
    ) -> None:
        if not callable(connect) or hasattr(connect, "cursor"):  # a sqlite3 connection can be called, too
            raise ConfigurationError(
                "outbox(connect) takes a function that opens a connection: the relay needs one of its own, e.g. "
                "lambda: sqlite3.connect('service.db')"
            )
        self._telemetry = telemetry
        self._codecs = codecs
        self._contracts = contracts
        self._connect = connect
        self._table = table_name(table)
        self._poll_seconds = poll_seconds
        self._added = threading.Event()

    def create_table(self, connection: Connection) -> None:
        """Create the tables unless they are there; the caller commits."""
        dialect = dialect_of(connection)
        execute(
            connection,
            f"CREATE TABLE IF NOT EXISTS {self._table} (position {dialect.counter}, event_id TEXT NOT NULL,"
            f" topic TEXT NOT NULL, record_key {dialect.binary}, record_value {dialect.binary},"
            f" event TEXT NOT NULL)",
        )
        execute(
            connection,
            f"CREATE TABLE IF NOT EXISTS {self._table}_lease (name TEXT PRIMARY KEY, owner TEXT NOT NULL,"
            f" until_ms {dialect.integer} NOT NULL)",
        )

    def add(
        self,
        connection: Connection,
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
    ) -> str:
        """Write an event into the caller's transaction; see `Trail.publish` for the arguments.

        Args:
            connection: The caller's, in the transaction that changes the state: a DB-API connection, Django's,
                or SQLAlchemy's `Connection` or `Session`. It isn't committed.

        Returns:
            The event's id.

        Raises:
            ConfigurationError: The connection commits each statement by itself (Django outside of `atomic`).
            ContractError: The data breaks its contract.
            EncodeError: The data can't be turned into bytes, or an id, the subject, the sequence, the time or a
                header can't be written as it is.
        """
        in_transaction(connection)
        telemetry = self._telemetry()
        codec = self._codecs.of(topic)
        packed = Guard(self._contracts, telemetry).publishing(topic, type, version, data, format_of(codec))
        content_type = codec.content_type if packed is None else packed.content_type
        value = packed.value if packed is not None else None if data is None else codec.encode(data)
        event_id = id if id is not None else telemetry.ids.new_id()
        schema = dataschema(type, version)
        # What the relay couldn't write is refused here, while the caller's transaction can still be undone.
        said = EventHeaders(type, telemetry.source, subject, sequence, time, schema)
        written = dict(said.write(exact_text(names.ID, event_id), telemetry.time_ns()))
        carried = inject(checked_pairs(headers), baggage_keys=telemetry.baggage_keys)
        if not any(name == names.CORRELATION_ID for name, _ in carried):
            # Outside a flow this event starts one. Fixed here, so that a repeated relay says the same.
            carried.append((names.CORRELATION_ID, event_id.encode()))
        event = {
            "type": type,
            "subject": subject,
            "sequence": sequence,
            "time": (written[names.TIME] or b"").decode(),
            "dataschema": schema,
            "content_type": None if value is None else content_type,
            "headers": [[name, None if raw is None else raw.decode("latin-1")] for name, raw in carried],
        }
        execute(
            connection,
            f"INSERT INTO {self._table} (event_id, topic, record_key, record_value, event)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?)",
            (event_id, topic, encode_key(key if key is not None else subject), value, json.dumps(event)),
        )
        self._added.set()
        return event_id

    def pending(self, connection: Connection) -> int:
        """How many events wait to be published."""
        return int(fetch(connection, f"SELECT COUNT(*) FROM {self._table}")[0][0])  # noqa: S608

    def relay(self, publisher: Publisher, stop: threading.Event) -> Relay:
        """The relay of this outbox; a running trail has one."""
        return Relay(self._connect, self._table, publisher, stop, self._added, self._poll_seconds)
