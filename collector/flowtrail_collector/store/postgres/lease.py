"""A lease as a row: whoever finds it expired by the database's clock takes it."""

from __future__ import annotations

import uuid

from flowtrail_collector.store.postgres.database import PostgresDatabase

__all__ = ["PostgresLease"]

_HOLD = """INSERT INTO leases (name, holder, until) VALUES (?, ?, clock_timestamp() + make_interval(secs => ?))
 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
 WHERE leases.holder = excluded.holder OR leases.until < clock_timestamp()"""


class PostgresLease:
    """`Lease` in the collector's database.

    Args:
        database: The database all workers share.
        name: Of the right.
    """

    def __init__(self, database: PostgresDatabase, name: str = "leader") -> None:
        self._database = database
        self._name = name
        self._holder = uuid.uuid4().hex

    def hold(self, seconds: float) -> bool:
        """See `Lease.hold`."""
        with self._database.unit() as connection:
            return connection.execute(_HOLD, (self._name, self._holder, float(seconds))).rowcount == 1

    def give_up(self) -> None:
        """See `Lease.give_up`."""
        with self._database.unit() as connection:
            connection.execute("DELETE FROM leases WHERE name = ? AND holder = ?", (self._name, self._holder))
