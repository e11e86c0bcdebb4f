"""Stuck instances, counted by the store in shapes: none of them is read but one of each shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.causes import HOUR_MS
from flowtrail_collector.sagas.model.causes import LATE, TIMED_OUT, Shape, StuckCause
from flowtrail_collector.sagas.model.flows import Correlate, Flow, Flows, OwnerOf, Step
from flowtrail_collector.sagas.sql.lately import ENDED_BADLY
from flowtrail_collector.sagas.sql.rows import STUCK
from flowtrail_collector.store.sql import Connection, marks

__all__ = ["TIMED_OUT_MS", "cause_condition", "read_shapes"]

TIMED_OUT_MS = 24 * HOUR_MS
"""For so long after it timed out, an instance is among those that are stuck."""
_MOST_SHAPES = 2_000
_HALF_HOUR_MS = HOUR_MS // 2
_STEP_COLUMNS = "flow, step, owner, asker, within_ms, by_id, sized"
# The cause of the dead letter that holds an instance up: one of its own that a step's owner, or who asks for it, gave
# up; any, where nobody is named. RabbitMQ names the queue instead of the group. The state as an expression leads SQLite
# to the index of correlation ids.
_LETTER = f"""(SELECT min(coalesce(dead_letters.cause, '')) FROM dead_letters WHERE {{by_id}} = 1
 AND dead_letters.correlation_id = sagas.key AND dead_letters.state || '' = 'pending' AND ({{owner}} = ''
 OR dead_letters.consumer_group IN ({{owner}}, {{asker}})
 OR (substr(dead_letters.topic, 1, {len(RABBITMQ)}) = '{RABBITMQ}' AND substr(dead_letters.consumer_group,
 length(dead_letters.consumer_group) - length({{owner}})) = '.' || {{owner}})))"""  # noqa: S608 - our own words
# A step is late whose name is among what is waited for and among what was missed. The first two conditions are what
# the partial index of such instances is about; `outcome` would lead SQLite to another one.
_IS_LATE = """instr(',' || sagas.waiting || ',', ',' || {step} || ',') > 0
 AND instr(',' || sagas.breached || ',', ',' || {step} || ',') > 0"""
_ALL_LATE = f"""sagas.ended_ms IS NULL AND sagas.breached != '' AND sagas.outcome || '' = 'open' AND {STUCK}
 AND {_IS_LATE.format(step="steps.step")}"""
# In the words of the index of instances that ended otherwise than well; the outcome would lead SQLite to another one.
_ALL_TIMED_OUT = f"{ENDED_BADLY} AND sagas.outcome || '' = 'timed_out' AND sagas.ended_ms >= ?"
_LATE_SINCE = "coalesce(sagas.waiting_since_ms + steps.within_ms, sagas.updated_ms)"
# The cross join keeps SQLite from looking through all instances of a flow once for each of its steps.
_SHAPES = """WITH steps ({columns}) AS (VALUES {rows}),
 found AS (SELECT steps.flow AS flow, steps.step AS step, length(sagas.events) * steps.sized AS size,
  sagas.key AS key, {since} AS since_ms, {letter} AS letter
  FROM sagas CROSS JOIN steps WHERE steps.flow = sagas.flow AND {where}),
 placed AS (SELECT flow, step, size, letter, since_ms, key, row_number()
  OVER (PARTITION BY flow, step, size, letter ORDER BY since_ms DESC, key DESC) AS place FROM found)
SELECT flow, step, size, letter, count(*), min(since_ms), max(since_ms),
 sum(CASE WHEN since_ms >= ? THEN 1 ELSE 0 END),
 sum(CASE WHEN since_ms >= ? AND since_ms < ? THEN 1 ELSE 0 END),
 sum(CASE WHEN since_ms >= ? AND since_ms < ? THEN 1 ELSE 0 END),
 min(CASE WHEN since_ms >= ? THEN since_ms END), max(CASE WHEN place = 1 THEN key END)
FROM placed GROUP BY flow, step, size, letter ORDER BY count(*) DESC, 1, 2, 3, 4 LIMIT ?"""


class _Row(NamedTuple):
    """What a statement is told of a step; of a whole flow if it has no name."""

    flow: str
    step: str
    owner: str
    asker: str
    within_ms: int
    by_id: int
    sized: int


def read_shapes(connection: Connection, flows: Flows, owner_of: OwnerOf, now_ms: int) -> list[Shape]:
    """All shapes of the stuck instances; of the 2,000 most frequent ones if there are more.

    Args:
        connection: To the store.
        flows: The flows of the flow file.
        owner_of: Who should do a step.
        now_ms: The present.
    """
    late = [_row(flow, step, owner_of) for flow in flows.by_name.values() for step in flow.steps]
    whole = [_row_of_all(flow) for flow in flows.by_name.values()]
    found = list(_read(connection, LATE, (_ALL_LATE, _LATE_SINCE), late, [], now_ms))
    found += _read(
        connection, TIMED_OUT, (_ALL_TIMED_OUT, "sagas.ended_ms"), whole, [now_ms - TIMED_OUT_MS], now_ms
    )
    return found


def cause_condition(
    cause: StuckCause, flows: Flows, owner_of: OwnerOf, now_ms: int
) -> tuple[str, list[object]]:
    """The condition that an instance which is late, or timed out, is of this cause."""
    flow = flows.by_name[cause.flow]
    step = next((each for each in flow.steps if each.name == cause.step), None)
    if cause.state == LATE and step is not None:
        row = _row(flow, step, owner_of)
        where = f" AND flow = ? AND {_IS_LATE.format(step='?')}"
        values: list[object] = [flow.name, step.name, step.name]
    else:
        row = _row_of_all(flow)
        where = " AND flow = ? AND outcome || '' = 'timed_out' AND ended_ms >= ?"
        values = [flow.name, now_ms - TIMED_OUT_MS]
    if row.sized:
        sizes = sorted(cause.sizes)
        where += f" AND length(events) IN ({marks(sizes)})"
        values += sizes
    letter = _LETTER.format(by_id="?", owner="?", asker="?")
    values += [row.by_id, row.owner, row.owner, row.asker, row.owner, row.owner]
    if cause.letter is None:
        return f"{where} AND {letter} IS NULL", values
    return f"{where} AND {letter} = ?", [*values, cause.letter]


def _read(
    connection: Connection,
    state: str,
    what: tuple[str, str],
    rows: list[_Row],
    values: list[Any],
    now_ms: int,
) -> Iterator[Shape]:
    if not rows:
        return
    where, since = what
    statement = _SHAPES.format(
        columns=_STEP_COLUMNS,
        rows=",".join([f"({marks(_Row._fields)})"] * len(rows)),
        since=since,
        letter=_LETTER.format(by_id="steps.by_id", owner="steps.owner", asker="steps.asker"),
        where=where,
    )
    half, hour, two = now_ms - _HALF_HOUR_MS, now_ms - HOUR_MS, now_ms - 2 * HOUR_MS
    flat = [value for row in rows for value in row]
    asked = [*flat, *values, half, hour, half, two, hour, half, _MOST_SHAPES]
    for found in connection.execute(statement, asked).fetchall():
        yield Shape(state, *found)


def _row(flow: Flow, step: Step, owner_of: OwnerOf) -> _Row:
    owner = owner_of(step) or ""
    asker = (owner_of(step.asking) or "") if step.asks else ""
    spans = [each.within_ms or 0 for each in flow.alternatives.get(step.name, (step,))]
    failed = bool(step.failed and (flow.cancels or step.name in flow.again))
    # Only then instances that wait for it may wait for different things.
    sized = step.children is None and (failed or bool(step.asks))
    return _Row(flow.name, step.name, owner, asker or owner, max(spans), _by_id(flow), int(sized))


def _row_of_all(flow: Flow) -> _Row:
    return _Row(flow.name, "", "", "", 0, _by_id(flow), 1)


def _by_id(flow: Flow) -> int:
    """Whether dead letters name an instance by its key."""
    return int(flow.correlate is Correlate.CORRELATION)
