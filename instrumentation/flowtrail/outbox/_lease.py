"""One relay at a time."""

from __future__ import annotations

import os
import socket
import time
import uuid

from flowtrail._clock import now_ms
from flowtrail._sql import Connection, execute, fetch

LEASE_SECONDS = 5.0

_NAME = "relay"


class Lease:
    """A row that says who relays, and until when.

    Whoever holds it renews it while relaying. When the holder dies, the next one takes over after
    `LEASE_SECONDS`, or at once if the holder was a process of this machine that is gone.

    Args:
        table: The lease's table.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether it is still ours, with some time to spare."""
        return time.monotonic() < self._until - LEASE_SECONDS / 4

    def take(self, connection: Connection) -> bool:
        """Take or renew it; commits. False if somebody else holds it."""
        started = time.monotonic()
        if started < self._until - LEASE_SECONDS / 2:
            return True
        now = now_ms()
        until_ms = now + int(LEASE_SECONDS * 1000)
        execute(
            connection,
            f"INSERT INTO {self._table} (name, owner, until_ms) VALUES (?, ?, 0)"  # noqa: S608
            " ON CONFLICT (name) DO NOTHING",
            (_NAME, self._owner),
        )
        rows = fetch(connection, f"SELECT owner FROM {self._table} WHERE name = ?", (_NAME,))  # noqa: S608
        holder = str(rows[0][0])
        expired_ms = now if not _is_dead(holder) else until_ms + 1
        changed = execute(
            connection,
            f"UPDATE {self._table} SET owner = ?, until_ms = ?"  # noqa: S608
            " WHERE name = ? AND owner = ? AND (owner = ? OR until_ms < ?)",
            (self._owner, until_ms, _NAME, holder, self._owner, expired_ms),
        )
        taken = changed == 1
        connection.commit()
        self._until = started + LEASE_SECONDS if taken else 0.0
        return taken

    def release(self, connection: Connection) -> None:
        """Let the next one have it at once; commits."""
        statement = f"UPDATE {self._table} SET until_ms = 0 WHERE name = ? AND owner = ?"  # noqa: S608
        execute(connection, statement, (_NAME, self._owner))
        connection.commit()
        self._until = 0.0


def _is_dead(holder: str) -> bool:
    """Whether the holder is known to be gone: a process of this machine that doesn't exist any more."""
    host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
