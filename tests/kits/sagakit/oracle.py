"""The model against the interpreter, history by history: `python -m sagakit.oracle COUNT [SEED] [PROCESSES]`.

Ends with exit code 1 at the first difference, and prints the flow and the history that show it.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from flowtrail_collector.sagas.model.assessment import add_event, assess
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, reopen, settle
from flowtrail_collector.sagas.sql.rows import to_record, to_row
from sagakit import chances
from sagakit.histories import marks, model_of, types_of, write_flow, write_history
from sagakit.interpreter import FAR_MS, Playing, end_of, fate_of, times_of

_PORTION = 2_000
_LAST_MS = 13_000


def same_ends(flow, history):
    """Outcome, owed, started and ended, by the events alone."""
    progress = assess(model_of(flow), marks(history))
    outcome, ended, not_undone = end_of(flow, history)
    assert progress.started_ms == min(times_of(history, ["Start"]), default=None)
    assert (progress.outcome.value, progress.ended_ms) == (outcome, ended)
    if not_undone is not None:
        assert sorted(progress.not_undone) == sorted(not_undone)


def same_steps(flow, history, now_ms):
    """Rounds, turns, and what is late at a moment, before any end."""
    steps = {
        name: {key: value for key, value in step.items() if key != "undone"}
        for name, step in flow["steps"].items()
    }
    flow = {**flow, "steps": steps, "completes": ["End"], "cancels": ["Stop"]}
    flow.pop("within", None)
    history = [(at, kind) for at, kind in history if kind in types_of(flow) and kind not in ("End", "Stop")]
    playing = Playing.of(flow, history)
    progress = assess(model_of(flow), marks(history))
    said = {item.step.name: (item.state.value, item.since_ms, item.until_ms) for item in progress.steps}
    assert said == {name: playing.standing(name) for name in steps}
    late = {name for name in steps if playing.late(name, now_ms - 1_000)}
    saga = SagaRecord("f", "k", events=marks(history))
    settle(model_of(flow), saga, now_ms, Counter())
    assert set(saga.late) == (late if playing.start is not None else set())


def same_on_every_way(flow, before, history, change_ms, order):
    """What is kept and counted, read in disorder and portions, some of it twice, restarted, with a file changed.

    Args:
        flow: By whose words it ends.
        before: The flow as its file had it until `change_ms`.
        history: What happened.
        change_ms: When the file was changed; 0 for never.
        order: A `random.Random` that decides what is read when, and when the collector restarts.
    """
    counts, saga = Counter(), SagaRecord("f", "k")
    left = list(marks(history).items())
    order.shuffle(left)
    model, swept_before, begun = model_of(before if change_ms else flow), 0, False
    changed = not change_ms
    for now_ms in (*range(0, _LAST_MS, order.choice((500, 1_000, 3_000))), _LAST_MS, FAR_MS):
        if not changed and now_ms >= change_ms:
            changed, model, begun = True, model_of(flow), saga.started_ms is not None
            _look_by_new_rules(model, saga, swept_before, counts)
        read = [item for item in left if item[1][0] <= now_ms or order.random() < 0.2]
        left = [item for item in left if item not in read]
        for event, mark in (*read, *read[: order.randint(0, 2)]):
            add_event(saga.events, event, mark)
            bring_up_to_date(model, saga, counts)
        settle(model, saga, now_ms, counts)
        swept_before = swept_before if changed and change_ms else now_ms
        if order.random() < 0.3:
            saga = to_record(to_row(saga))
    early = fate_of(before, history) if change_ms else ("open", None)
    over = begun and early[1] is not None and early[1] < swept_before - 1_000
    outcome, ended = early if over else fate_of(flow, history)
    started = min(times_of(history, ["Start"]), default=None)
    assert (saga.outcome.value, saga.ended_ms, saga.started_ms) == (outcome, ended, started)
    assert counts["saga_started", ("f",)] == (started is not None)
    ends = {labels: count for (name, labels), count in counts.items() if name == "saga_ended"}
    assert ends == ({} if ended is None else {("f", outcome): 1})
    if outcome == "open" and started is not None and "cancels" in flow and not _undoes(flow):
        playing = Playing.of(flow, history)
        assert set(saga.late) == {name for name in flow["steps"] if playing.late(name, FAR_MS - 1_000)}


def _look_by_new_rules(model, saga, watermark_ms, counts):
    if saga.outcome.value in ("open", "retired"):
        reopen(saga)
        settle(model, saga, watermark_ms, counts)


def _undoes(flow):
    return any("undone" in step for step in flow["steps"].values())


def changed_flow(draw, flow, st):
    """The same flow as another file has it: other limits, a step more or less, other words for a round."""
    other = write_flow(draw, st)
    if draw(st.booleans()):
        return other
    steps = {name: {**step, "within": f"{draw(st.integers(1, 4))}s"} for name, step in flow["steps"].items()}
    return {**flow, "steps": steps, "completes": draw(st.sampled_from([["End"], flow["completes"]]))}


def look_at(seed):
    """Generate from a seed, and compare in all three respects."""
    drawn = random.Random(seed)

    def draw(chance):
        return chance.draw(drawn)

    flow = write_flow(draw, chances)
    history = write_history(draw, flow, st=chances)
    before = changed_flow(draw, flow, chances)
    change_ms = drawn.choice((0, drawn.randrange(500, _LAST_MS)))
    try:
        same_ends(flow, history)
        same_steps(flow, history, drawn.randint(1, 20_000))
        same_on_every_way(flow, before, history, change_ms, drawn)
    except AssertionError as error:
        shown = f"seed {seed}\nflow {flow}\nbefore {before} until {change_ms}\nhistory {sorted(history)}"
        raise AssertionError(shown) from error


def look_at_some(first, count):
    """A portion of seeds; how many."""
    for seed in range(first, first + count):
        look_at(seed)
    return count


def main(count, first="0", processes="1"):
    """Look at so many histories; say how many show no difference."""
    began, looked_at, count = time.monotonic(), 0, int(count)
    with ProcessPoolExecutor(int(processes)) as pool:
        waiting = [
            pool.submit(look_at_some, int(first) + start, min(_PORTION, count - start))
            for start in range(0, count, _PORTION)
        ]
        for number, done in enumerate(as_completed(waiting), 1):
            if done.exception() is not None:
                pool.shutdown(cancel_futures=True)
            looked_at += done.result()
            if number % 10 == 0 or looked_at == count:
                print(f"{looked_at} histories, no difference, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
