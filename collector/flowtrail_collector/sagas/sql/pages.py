"""Lists of sagas, quick however many there are: what is asked for decides which index is walked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from flowtrail_collector.sagas.model.filters import SagaFilter, SagaPlace
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.view import PARTIAL
from flowtrail_collector.sagas.sql.rows import NOT_STUCK, STUCK, read_sagas
from flowtrail_collector.store.sql import Connection

__all__ = ["SlowAnswer", "listed"]

T = TypeVar("T")
# So many rows are sorted sooner than found by walking through all instances in the order of their changes.
_FEW = 2_000
# Those that changed in the same millisecond need an order too, or pages would repeat some and leave others out.
_NEWEST = " ORDER BY updated_ms DESC, flow, key"
_OLDEST = " ORDER BY updated_ms, flow DESC, key DESC"
_STUCK_RANK, _OPEN_RANK, _REST_RANK = range(3)
# The first two are what the partial index of such instances is about; `outcome` would lead SQLite to another one.
_STUCK = f"ended_ms IS NULL AND breached != '' AND outcome || '' = 'open' AND {STUCK}"

# As above, with the partial index of those whose start was never seen.
_PARTIAL = "ended_ms IS NULL AND started_ms IS NULL AND outcome || '' = 'open'"


def listed(
    connection: Connection, query: SagaFilter, only: str = "", only_values: Sequence[object] = ()
) -> list[tuple[SagaPlace, SagaRecord]]:
    """A page of the instances of a filter, each with its place: those that are stuck, those open, then the rest.

    Args:
        connection: To the store.
        query: The filter.
        only: A further condition on those that are open, of the caller's own making.
        only_values: What stands for its `?`.
    """
    more, values = _conditions(query)
    more, values = more + only, [*values, *only_values]
    page = _Page(connection, query)
    parts = list(_parts(query))
    for rank in reversed(parts) if query.before is not None else parts:
        if page.reaches(rank):
            page.take(rank, *_condition(connection, query, rank, more, values))
    return page.found


def _parts(query: SagaFilter) -> Iterator[int]:
    """The lists that a list is made of, one behind the other."""
    if query.outcome == PARTIAL:
        yield from () if query.stuck else (_OPEN_RANK,)
        return
    if query.outcome in (None, "open"):
        yield _STUCK_RANK
        if not query.stuck:
            yield _OPEN_RANK
    if not (query.stuck or query.predicted or query.step is not None or query.outcome == "open"):
        yield _REST_RANK


def _condition(
    connection: Connection, query: SagaFilter, rank: int, more: str, values: list[object]
) -> tuple[str, list[object]]:
    if rank == _STUCK_RANK:
        return _STUCK + more, values
    if rank == _OPEN_RANK:
        return (
            (_PARTIAL + more, values)
            if query.outcome == PARTIAL
            else _walked(connection, "open", NOT_STUCK + more, values)
        )
    rest = "outcome != 'open'" + more
    return (rest, values) if query.outcome is None else _walked(connection, query.outcome, rest, values)


class _Page:
    """The part of several lists, one behind the other, that lies behind an offset or next to a place."""

    def __init__(self, connection: Connection, query: SagaFilter) -> None:
        self._connection = connection
        self._offset = query.offset
        self._room = query.limit
        self._back = query.before is not None
        self._next_to = query.before or query.after
        self.found: list[tuple[SagaPlace, SagaRecord]] = []

    def reaches(self, rank: int) -> bool:
        """Whether there is room for any of this list, and it isn't all on the other side of the place."""
        other = self._next_to is not None and (
            rank > self._next_to[0] if self._back else rank < self._next_to[0]
        )
        return self._room > 0 and not other

    def take(self, rank: int, where: str, values: Sequence[object]) -> None:
        """The next list, newest first; backwards, the one before."""
        where, values = self._bounded(rank, where, values)
        order = _OLDEST if self._back else _NEWEST
        taken = read_sagas(self._connection, where + order, values, self._room, self._offset)
        if taken:
            self._offset = 0
        elif self._offset:
            count = f"SELECT count(*) FROM (SELECT 1 FROM sagas WHERE {where} LIMIT ?) passed"  # noqa: S608
            passed = self._connection.execute(count, (*values, self._offset)).fetchone()[0]
            self._offset -= passed
        self._room -= len(taken)
        placed = [((rank, record.updated_ms, record.flow, record.row_key), record) for record in taken]
        self.found = placed[::-1] + self.found if self._back else self.found + placed

    def _bounded(self, rank: int, where: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        if self._next_to is None or self._next_to[0] != rank:
            return where, values
        less, more = (">", "<") if self._back else ("<", ">")
        beyond = f" AND updated_ms {less}= ? AND (updated_ms {less} ? OR (flow, key) {more} (?, ?))"
        _, moment, flow, key = self._next_to
        return where + beyond, [*values, moment, moment, flow, key]


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
