"""Lists of sagas, quick however many there are: what is asked for decides which index is walked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.view import PARTIAL, SagaFilter
from flowtrail_collector.sagas.sql.rows import NOT_STUCK, STUCK, read_sagas
from flowtrail_collector.store.sql import Connection

__all__ = ["SlowAnswer", "listed"]

T = TypeVar("T")
# So many rows are sorted sooner than found by walking through all instances in the order of their changes.
_FEW = 2_000
# Those that changed in the same millisecond need an order too, or pages would repeat some and leave others out.
_NEWEST = " ORDER BY updated_ms DESC, flow, key"
# The first two are what the partial index of such instances is about; `outcome` would lead SQLite to another one.
_STUCK = f"ended_ms IS NULL AND breached != '' AND outcome || '' = 'open' AND {STUCK}"

# As above, with the partial index of those whose start was never seen.
_PARTIAL = "ended_ms IS NULL AND started_ms IS NULL AND outcome || '' = 'open'"


def listed(
    connection: Connection, query: SagaFilter, only: str = "", only_values: Sequence[object] = ()
) -> list[SagaRecord]:
    """A page of the instances of a filter: those that are stuck, those open, then the rest.

    Args:
        connection: To the store.
        query: The filter.
        only: A further condition on those that are open, of the caller's own making.
        only_values: What stands for its `?`.
    """
    page = _Page(connection, query.offset, query.limit)
    more, values = _conditions(query)
    more, values = more + only, [*values, *only_values]
    if query.outcome == PARTIAL:
        if not query.stuck:
            page.take(_PARTIAL + more, values)
        return page.found
    if query.outcome in (None, "open"):
        page.take(_STUCK + more, values)
        if not query.stuck:
            page.take(*_walked(connection, "open", NOT_STUCK + more, values))
    if query.stuck or query.predicted or query.step is not None or query.outcome == "open":
        return page.found
    rest = "outcome != 'open'" + more
    page.take(
        *((rest, values) if query.outcome is None else _walked(connection, query.outcome, rest, values))
    )
    return page.found


class _Page:
    """The part of several lists, one behind the other, that lies between an offset and a limit."""

    def __init__(self, connection: Connection, offset: int, limit: int) -> None:
        self._connection = connection
        self._offset = offset
        self._room = limit
        self.found: list[SagaRecord] = []

    def take(self, where: str, values: Sequence[object]) -> None:
        """The next list, newest first."""
        if self._room <= 0:
            return
        taken = read_sagas(self._connection, where + _NEWEST, values, self._room, self._offset)
        if taken:
            self._offset = 0
        elif self._offset:
            count = f"SELECT count(*) FROM (SELECT 1 FROM sagas WHERE {where} LIMIT ?) passed"  # noqa: S608
            passed = self._connection.execute(count, (*values, self._offset)).fetchone()[0]
            self._offset -= passed
        self._room -= len(taken)
        self.found += taken


def _walked(
    connection: Connection, outcome: str, where: str, values: Sequence[object]
) -> tuple[str, list[object]]:
    """A condition with an outcome, put so that its instances are found in the quicker of two ways."""
    few = "SELECT count(*) FROM (SELECT 1 FROM sagas WHERE outcome = ? LIMIT ?) few"
    is_few = connection.execute(few, (outcome, _FEW + 1)).fetchone()[0] <= _FEW
    # An expression instead of the column keeps SQLite from the index of outcomes, and a sort of all of them.
    column = "outcome" if is_few else "outcome || ''"
    return f"{column} = ? AND {where}", [outcome, *values]


def _conditions(query: SagaFilter) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    if query.flow is not None:
        parts.append(" AND flow = ?")
        values.append(query.flow)
    if query.outcome == "open" or (query.step is not None and query.outcome != PARTIAL):
        parts.append(" AND started_ms IS NOT NULL")
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

    def __init__(self, ask: Callable[[], T], *, quick_seconds: float = 0.003) -> None:
        self._ask = ask
        self._quick_seconds = quick_seconds
        self._known: tuple[T, float, float] | None = None
        self._lock = threading.Lock()
        self._first = threading.Lock()

    def __call__(self) -> T:
        """The answer."""
        known = self._known
        if known is None:
            with self._first:  # who comes while it is being found waits for it, instead of finding it too
                known = self._known
                if known is None:
                    return self._asked()
        answer, at, took = known
        if took <= self._quick_seconds:
            return self._asked()
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
