"""What the collector makes of a family, against what `sagakit.families` says: for `sagakit.oracle`."""

from __future__ import annotations

from collections import Counter, defaultdict

from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.children import open_children
from sagakit.families import ABOVE, Change, as_told, became_of, family_file, parent_place
from sagakit.histories import flows_of
from sagakit.interpreter import FAR_MS, Became, Playing, end_of, left_open
from sagakit.keeping import Kept, Player, record_of

__all__ = ["LAST_MS", "same_family"]

LAST_MS = 13_000
_OF_READING = ("saga_out_of_order_events", "saga_duplicate_events", "saga_unread_fields")


def same_family(flows, events, order, store=None, *, before=None, change_ms=0):
    """What is kept and counted of a family that was read in disorder and portions, some of it twice, with restarts.

    Args:
        flows: By whose words it is judged, by name.
        events: What happened.
        order: A `random.Random` that decides what is read when, and when the collector restarts.
        store: Where it is kept; in memory if there is none.
        before: The flows as their file had them until `change_ms`.
        change_ms: When the file was changed; 0 for never.
    Returns:
        Which forms of `sagakit.oracle` that was about.
    """
    store = store or Kept()
    change = _played(store, flows, events, order, before, change_ms)
    model = flows_of(family_file(flows))
    kept = _kept(store)
    became, told = became_of(flows, events, change)
    said = {place: [_as_became(model, saga) for saga in sagas] for place, sagas in kept.items()}
    if change is None:
        assert said == became
        assert _counted(store) == _counted_in_order(flows, events)
    else:
        assert _ends(said) == _ends(became)
    _same_counts(store, became, changed=change is not None)
    for place, sagas in kept.items():
        if became[place][-1].outcome == "open":
            _same_now(model, as_told(flows[place[0]]), told[place], sagas[-1])
    return _forms_of(flows, told) | ({"a family's file change"} if change else set())


def _played(store, flows, events, order, before, change_ms):
    """Read it all; what the flow file was before, if it was changed."""
    left = _records(flows, events)
    order.shuffle(left)
    model = flows_of(family_file(before if change_ms else flows))
    player = Player(store, model)
    read_before, swept_ms, change = set(), 0, None
    for now_ms in (*range(0, LAST_MS, order.choice((500, 1_000, 3_000))), LAST_MS, FAR_MS):
        if change is None and 0 < change_ms <= now_ms:
            change = Change(before, read_before, swept_ms, _begun(store))
            model = flows_of(family_file(flows))
            player.restart(model)
            if order.random() < 0.5:  # otherwise something is read before the first look by the new words
                player.look()
        read = [item for item in left if item.timestamp_ms <= now_ms or order.random() < 0.2]
        left = [item for item in left if item not in read]
        if change is None:
            swept_ms = now_ms
            read_before.update(item.offset for item in read)
        player.take([*read, *read[: order.randint(0, 2)]])
        player.sweep(now_ms)
        if order.random() < 0.3:
            player.restart(model)
    return change


def _records(flows, events):
    places = {below: parent_place(flows[above]) for below, above in ABOVE.items() if above in flows}
    return [record_of(number, event, places.get(event.flow)) for number, event in enumerate(events)]


def _counted(store):
    """Everything that is counted of instances, except how their events were read."""
    names = {name for name, _ in store.counts if name.startswith("saga_")}.difference(_OF_READING)
    return +Counter({at: round(n, 6) for at, n in store.counts.items() if at[0] in names})


def _counted_in_order(flows, events):
    """The same if each record was read once, in the order of time, before anybody looked at what time has decided."""
    store = Kept()
    player = Player(store, flows_of(family_file(flows)))
    player.take(sorted(_records(flows, events), key=lambda record: record.timestamp_ms))
    player.sweep(FAR_MS)
    return _counted(store)


def _begun(store):
    return {place for place, sagas in _kept(store).items() if sagas[0].started_ms is not None}


def _ends(became):
    """What is repeated or late depends on the file by which it was counted."""
    return {place: [item[:3] for item in items] for place, items in became.items()}


def _forms_of(flows, told):
    """Of what the flows say of children, what happened."""
    heard = {(name, item.kind) for (name, _), history in told.items() for item in history}
    found = set()
    for name, flow in flows.items():
        for step in as_told(flow)["steps"].values():
            if "children" in step and (name, step["done"][0]) in heard:
                found.add("all children" if step["children"]["all"] else "any child")
                found.update({"children's children"} if name != "f" else ())
    return found


def _kept(store):
    """Every instance by (flow, key), the oldest first."""
    found = defaultdict(list)
    for saga in store.every_saga():
        found[saga.flow, saga.key].append(saga)
    return {place: sorted(sagas, key=lambda saga: saga.instance) for place, sagas in found.items()}


def _as_became(model, saga):
    over = saga.outcome is not Outcome.OPEN
    repeated = saga.repeated_starts if over else len(assess(model.by_name[saga.flow], saga.events).restarts)
    return Became(
        saga.outcome.value, saga.ended_ms, saga.started_ms, repeated, saga.late_events, saga.conflict
    )


def _same_counts(store, became, *, changed):
    expected = Counter()
    for (flow, _), instances in became.items():
        for item in instances:
            expected["saga_started", (flow,)] += item.started is not None
            expected["saga_ended", (flow, item.outcome)] += item.outcome != "open"
            if not changed:
                expected["saga_repeated_starts", (flow,)] += item.repeated
                expected["saga_late_events", (flow,)] += item.late
                expected["saga_conflicts", (flow,)] += item.conflict
    names = {name for name, _ in expected}
    assert +Counter({at: n for at, n in store.counts.items() if at[0] in names}) == +expected


def _same_now(model, flow, history, saga):
    """How an open instance stands: what it owes and waits for, its steps, what is late once all time has passed."""
    since = saga.started_ms if saga.instance > 1 else 0
    playing = Playing.of(flow, [item for item in history if item.at >= since])
    progress = assess(model.by_name[saga.flow], saga.events)
    _, _, owed = end_of(flow, playing.history)
    if owed is not None:  # its events may say that one completed whose start was never seen
        assert (sorted(progress.not_undone), saga.not_undone) == (sorted(owed), bool(owed))
    found = open_children(model.by_name[saga.flow], saga)
    for name, step in flow["steps"].items():
        # What takes another step back tells that it was done, too: `Playing` doesn't know its turns.
        others = [body for other, body in flow["steps"].items() if other != name]
        if "children" in step and not any("undone" in other for other in others):
            assert found[name] == left_open(step, playing.history, playing.begin.get(name, 0))
    if saga.started_ms is None or any("undone" in step for step in flow["steps"].values()):
        return
    said = {item.step.name: (item.state.value, item.since_ms, item.until_ms) for item in progress.steps}
    assert said == {name: playing.standing(name) for name in flow["steps"]}
    if "cancels" in flow:
        assert set(saga.late) == {name for name in flow["steps"] if playing.late(name, FAR_MS - 3_000)}
