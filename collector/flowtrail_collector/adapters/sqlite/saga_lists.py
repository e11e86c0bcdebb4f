"""Lists of sagas, quick however many there are: what is asked for decides which index is walked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from flowtrail_collector.adapters.sql import Connection
from flowtrail_collector.adapters.sqlite.sagas import read_sagas
from flowtrail_collector.ports.store import SagaRecord
from flowtrail_collector.ports.views import SagaFilter

__all__ = ["SlowAnswer", "listed"]

T = TypeVar("T")
# So many rows are sorted sooner than found by walking through all instances in the order of their changes.
_FEW = 2_000
_NEWEST = " ORDER BY updated_ms DESC"
# The first two are what the partial index of such instances is about.
_STUCK = "outcome = 'open' AND breached != '' AND (flags & 8) != 0 AND started_ms IS NOT NULL"
_NOT_STUCK = "(breached = '' OR (flags & 8) = 0 OR started_ms IS NULL)"


def listed(connection: Connection, query: SagaFilter) -> list[SagaRecord]:
    """Instances of a filter up to the end of its page: those that are stuck, those open, then the rest."""
    wanted = query.limit + query.offset
    found: list[SagaRecord] = []
    if query.outcome in (None, "open"):
        more, values = _conditions(query)
        found += read_sagas(connection, _STUCK + more + _NEWEST, values, wanted)
        if not query.stuck and len(found) < wanted:
            found += _newest(connection, query, "open", _NOT_STUCK, wanted - len(found))
    if query.stuck or query.step is not None or query.outcome == "open":
        return found
    if len(found) < wanted:
        found += _newest(connection, query, query.outcome, "outcome != 'open'", wanted - len(found))
    return found


def _newest(
    connection: Connection,
    query: SagaFilter,
    outcome: str | None,
    condition: str,
    limit: int,
) -> list[SagaRecord]:
    more, values = _conditions(query)
    where = condition + more
    if outcome is not None:
        few = "SELECT count(*) FROM (SELECT 1 FROM sagas WHERE outcome = ? LIMIT ?) few"
        is_few = connection.execute(few, (outcome, _FEW + 1)).fetchone()[0] <= _FEW
        # An expression instead of the column keeps SQLite from the index of outcomes, and a sort of all of them.
        column = "outcome" if is_few else "outcome || ''"
        where = f"{column} = ? AND {where}"
        values = [outcome, *values]
    return read_sagas(connection, where + _NEWEST, values, limit)


def _conditions(query: SagaFilter) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    if query.flow is not None:
        parts.append(" AND flow = ?")
        values.append(query.flow)
    if query.step is not None:
        # `waiting` joins the names of open steps by commas.
        parts.append(" AND instr(',' || waiting || ',', ',' || ? || ',') > 0")
        values.append(query.step)
    return "".join(parts), values


class SlowAnswer(Generic[T]):
    """An answer that may take long in a large store: then it is some seconds old, and nobody waits for it.

    Args:
        ask: Finds the answer.
        quick_seconds: What takes no longer is asked anew each time.
    """

    def __init__(self, ask: Callable[[], T], *, quick_seconds: float = 0.02) -> None:
        self._ask = ask
        self._quick_seconds = quick_seconds
        self._known: tuple[T, float, float] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The answer."""
        if self._known is None or self._known[2] <= self._quick_seconds:
            return self._asked()
        answer, at, took = self._known
        # At most a tenth of the time is spent on it.
        if time.monotonic() - at > max(2.0, 10 * took) and self._lock.acquire(blocking=False):
            threading.Thread(target=self._refresh, name="slow answer", daemon=True).start()
        return answer

    def _asked(self) -> T:
        began = time.monotonic()
        answer = self._ask()
        ended = time.monotonic()
        self._known = (answer, ended, ended - began)
        return answer

    def _refresh(self) -> None:
        try:
            self._asked()
        except Exception:  # noqa: BLE001 - the store is closed or in trouble; who asks it next is told
            self._known = None
        finally:
            self._lock.release()
