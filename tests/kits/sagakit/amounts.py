"""How often a step was done, how often it takes, and what is owed of it: told by brute force for `interpreter`."""

from __future__ import annotations

__all__ = ["FAR_MS", "child_of", "enough", "enough_ms", "left_open", "owed", "times_of"]

FAR_MS = 1_000_000


def times_of(history, types, until=FAR_MS):
    return sorted(at for at, kind, _ in history if kind in types and at <= until)


def each(step, history):
    """The history of each id of a step; all of it where the step has none."""
    if "of" not in step:
        return [history]
    return [[item for item in history if item.value == own] for own in {item.value for item in history}]


def child_of(value):
    """Which child it is that a parent is told of: `c0@500` began at 500 ms."""
    return value.partition("@")[0]


def all_well(step, history, since, until):
    """Whether children began between two moments, and each ended well the last time that it began."""
    begun = {child_of(value) for at, kind, value in history if kind == step["begun"] and since <= at <= until}
    return bool(begun) and not begun.intersection(left_open(step, history, until))


def left_open(step, history, until=FAR_MS):
    """Children that have not ended well since they began for the last time, in the order in which they began."""
    begun = sorted(
        (at, child_of(value)) for at, kind, value in history if kind == step["begun"] and at <= until
    )
    last = {child: at for at, child in begun}
    for at, kind, value in history:
        child, _, began = value.partition("@")
        # A start before the end is that instance's own.
        if kind in step["done"] and at <= until and child in last and int(began) <= last[child] <= at:
            del last[child]
    return [child for child in dict.fromkeys(child for _, child in begun) if child in last]


def needed(step, history, until=FAR_MS):
    """How many it takes by a moment; None while that isn't known."""
    times = step.get("times", 1)
    if not isinstance(times, dict):
        return times
    said = [(at, int(value)) for at, kind, value in history if kind == times["event"] and at <= until]
    return max(said)[1] if said else None


def often(step, history, since=0, until=FAR_MS):
    """How many were done between two moments, of each id one."""
    done = [item.value for item in history if item.kind in step["done"] and since <= item.at <= until]
    if "children" in step:
        return len({child_of(value) for value in done})
    named = {value for value in done if value}
    return len(done) if "of" not in step else len(named) + done.count("")


def enough(step, history, since=0, until=FAR_MS):
    """Whether it was done between two moments as often as it took by the later one."""
    if step.get("children", {}).get("all") and "times" not in step:
        return all_well(step, history, since, until)
    wanted = needed(step, history, until)
    return wanted is not None and often(step, history, since, until) >= wanted


def enough_ms(step, history):
    """When it had been done as often as it took by then."""
    moments = sorted({item.at for item in history})
    return next((moment for moment in moments if enough(step, history, until=moment)), None)


def owed(step, history, until):
    """Of what was done, how much no taking back can be assigned to, id by id."""
    return sum(owed_of_one(step, own, until) for own in each(step, history))


def owed_of_one(step, history, until):
    """Of what was done, how much no taking back can be assigned to: tried in every way that helps."""
    undone = times_of(history, step["undone"], until)
    taken = {}

    def assign(done, number, tried):
        for place, at in enumerate(undone):
            if at >= done - 1_000 and place not in tried:
                tried.add(place)
                if place not in taken or assign(*taken[place], tried):
                    taken[place] = (done, number)
                    return True
        return False

    dones = times_of(history, step["done"], until)
    return sum(not assign(done, number, set()) for number, done in enumerate(dones))
