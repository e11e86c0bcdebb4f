"""The model against the interpreter, history by history: `python -m sagakit.oracle COUNT [SEED] [PROCESSES]`.

Ends with exit code 1 at the first difference, and prints the flow and the history that show it.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from flowtrail_collector.sagas.model.assessment import asked_ms, assess
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import settle
from sagakit import chances
from sagakit.families import changed_family, write_events, write_family
from sagakit.histories import (
    before_renaming,
    changed_flow,
    marks,
    model_of,
    types_of,
    write_flow,
    write_history,
)
from sagakit.interpreter import FAR_MS, Playing, end_of, instances_of, times_of
from sagakit.kinship import LAST_MS, same_family
from sagakit.playing import Played

FORMS = ("a family's file change", "a file change", "all children", "alternatives", "any child", "children's children", "commands", "counts",
         "counts by field", "ids", "renamed steps", "recurrence", "rounds", "taken back")  # fmt: skip
"""What histories are about; see `forms_of`."""
HISTORIES = 4
"""So many in a row are of one flow."""
FAMILIES = 8
"""One in so many flows is a family."""
_PORTION = 200


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
    history = [item for item in history if item.kind in types_of(flow) and item.kind not in ("End", "Stop")]
    playing = Playing.of(flow, history)
    progress = assess(model_of(flow), marks(history))
    said = {item.step.name: (item.state.value, item.since_ms, item.until_ms) for item in progress.steps}
    assert said == {name: playing.standing(name) for name in steps}
    asked = {item.step.name: asked_ms(item, marks(history)) for item in progress.steps}
    assert asked == {name: playing.asked(name) for name in steps}
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
    left = list(marks(history).items())
    order.shuffle(left)
    model = model_of(flow)
    play = Played(model_of(before) if change_ms else model)
    swept_before, begun, changed = 0, False, not change_ms
    for now_ms in (*range(0, LAST_MS, order.choice((500, 1_000, 3_000))), LAST_MS, FAR_MS):
        if not changed and now_ms >= change_ms:
            changed, begun = True, [*play.earlier, play.saga][0].started_ms is not None
            play.change(model, swept_before)
        read = [item for item in left if item[1][0] <= now_ms or order.random() < 0.2]
        left = [item for item in left if item not in read]
        for event, mark in (*read, *read[: order.randint(0, 2)]):
            play.take(event, mark)
        play.sweep(now_ms)
        swept_before = swept_before if changed and change_ms else now_ms
        if order.random() < 0.3:
            play.restart()
    if not change_ms or before == before_renaming(flow):
        became = instances_of(flow, history)
        assert play.became() == became
        if change_ms:
            _same_breaches(flow, play.counts, history)
    else:
        became = instances_of(flow, history, before, swept_before - 1_000, begun=begun)
        _same_ends_and_counts(play, became)
    _same_lateness(flow, history, play.saga, became[-1])


def _same_ends_and_counts(play, became):
    """What is repeated or late depends on the file by which it was counted."""
    found = [(saga.outcome.value, saga.ended_ms, saga.started_ms) for saga in (*play.earlier, play.saga)]
    assert found == [(item.outcome, item.ended, item.started) for item in became]
    assert play.counts["saga_started", ("f",)] == sum(item.started is not None for item in became)
    ends = {labels[1]: count for (name, labels), count in play.counts.items() if name == "saga_ended"}
    assert ends == Counter(item.outcome for item in became if item.outcome != "open")


def _same_breaches(flow, counts, history):
    """A deadline that was counted as missed under a step's name in another file isn't counted again under its new one."""
    straight = Played(model_of(flow))
    for event, mark in sorted(marks(history).items(), key=lambda item: item[1]):
        straight.take(event, mark)
    straight.sweep(FAR_MS)
    names = {step["was"][0]: name for name, step in flow["steps"].items() if "was" in step}
    assert _breaches(counts, names) == _breaches(straight.counts, {})


def _breaches(counts, names):
    found = Counter()
    for (name, labels), count in counts.items():
        if name == "saga_deadline_breaches":
            found[names.get(labels[1], labels[1])] += count
    return found


def _same_lateness(flow, history, saga, last):
    if last.outcome == "open" and last.started is not None and "cancels" in flow and not _undoes(flow):
        since = last.started if saga.instance > 1 else 0
        playing = Playing.of(flow, [item for item in history if item.at >= since])
        assert set(saga.late) == {name for name in flow["steps"] if playing.late(name, FAR_MS - 1_000)}


def _undoes(flow):
    return any("undone" in step for step in flow["steps"].values())


def forms_of(flow, history, change_ms, *, renamed=False):
    """Which of `FORMS` a history has: of what its flow may say, what happened."""
    kinds = {item.kind for item in history}
    found = {"a file change"} if change_ms else set()
    if renamed:
        found.add("renamed steps")
    if len(instances_of(flow, history)) > 1:
        found.add("recurrence")
    for step in flow["steps"].values():
        keys = {"undone": "taken back", "again_after": "rounds", "asks": "commands"}
        found.update(form for key, form in keys.items() if kinds.intersection(step.get(key, ())))
        done = [item for item in history if item.kind in step["done"]]
        if "of" in step and any(item.value for item in done):
            found.add("ids")
        if done and step.get("times", 1) != 1:
            found.add("counts by field" if isinstance(step["times"], dict) else "counts")
        if done and "instead_of" in step:
            found.add("alternatives")
    return found


def look_at(seed):
    """Generate from a seed, and compare in every respect; which forms that was about.

    Several histories in a row are of one flow, or of one family of flows: reading those takes longer than a history.
    """
    number = seed // HISTORIES
    written, drawn = random.Random(f"flow {number}"), random.Random(seed)
    look = _look_at_family if number % FAMILIES == 0 else _look_at_flow
    return look(seed, lambda chance: chance.draw(written), lambda chance: chance.draw(drawn), drawn)


def _look_at_flow(seed, write, draw, drawn):
    flow = write_flow(write, chances)
    before = changed_flow(write, flow, chances)
    history = write_history(draw, flow, st=chances)
    change_ms = drawn.choice((0, drawn.randrange(500, LAST_MS)))
    with _shown(seed, flow=flow, before=before, until=change_ms, history=sorted(history)):
        same_ends(flow, history)
        same_steps(flow, history, drawn.randint(1, 20_000))
        same_on_every_way(flow, before, history, change_ms, drawn)
    return forms_of(flow, history, change_ms, renamed=change_ms and before == before_renaming(flow))


def _look_at_family(seed, write, draw, drawn):
    flows = write_family(write, chances)
    before = changed_family(write, flows, chances)
    change_ms = drawn.choice((0, drawn.randrange(500, LAST_MS)))
    spoken = {name: drawn.choice((flow, before[name])) if change_ms else flow for name, flow in flows.items()}
    events = write_events(draw, spoken, chances)
    with _shown(seed, flows=flows, before=before, until=change_ms, events=sorted(events)):
        return same_family(flows, events, drawn, before=before, change_ms=change_ms)


@contextlib.contextmanager
def _shown(seed, **what):
    """Say of what a difference was."""
    try:
        yield
    except AssertionError as error:
        lines = [f"seed {seed}", *(f"{name} {value}" for name, value in what.items())]
        raise AssertionError("\n".join(lines)) from error


def look_at_some(first, count):
    """A portion of seeds; in how many of them there was which form."""
    return count, Counter(form for seed in range(first, first + count) for form in look_at(seed))


def main(count, first="0", processes="1"):
    """Look at so many histories; say how many show no difference."""
    began, looked_at, forms, count = time.monotonic(), 0, Counter(), int(count)
    with ProcessPoolExecutor(int(processes)) as pool:
        waiting = [
            pool.submit(look_at_some, int(first) + start, min(_PORTION, count - start))
            for start in range(0, count, _PORTION)
        ]
        for number, done in enumerate(as_completed(waiting), 1):
            if done.exception() is not None:
                pool.shutdown(cancel_futures=True)
            portion, found = done.result()
            looked_at, forms = looked_at + portion, forms + found
            if number % 10 == 0 or looked_at == count:
                print(f"{looked_at} histories, no difference, {time.monotonic() - began:.0f} s", flush=True)
    print(", ".join(f"{form} in {number}" for form, number in forms.most_common()))


if __name__ == "__main__":
    main(*sys.argv[1:])
