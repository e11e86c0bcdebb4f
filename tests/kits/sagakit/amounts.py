"""How often a step was done, how often it takes, and what is owed of it: told by brute force for `interpreter`."""

from __future__ import annotations

__all__ = ["FAR_MS", "enough", "enough_ms", "failing_ms", "first_failed_ms", "left_open", "owed", "times_of"]

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


def children_of(step, history, since=0, until=FAR_MS):
    """How those stand at a moment that have begun since another one: (how, since when) by child, as they began."""
    begun = {}
    for at, kind, value in sorted(history):
        if kind == step["begun"] and since <= at <= until:
            begun.setdefault(child_of(value), []).append(at)
    return {child: _how(step, history, child, starts[-1], until) for child, starts in begun.items()}


def _how(step, history, child, start, until):
    """How the instance of a child stands that has a start of that moment."""
    for at, kind, value in history:
        own, _, began = value.partition("@")
        ends = kind in step["done"] or kind in step["failed"]
        if ends and own == child and int(began) <= start <= at <= until:
            return ("well" if kind in step["done"] else "failed"), at
    return "open", start


def left_open(step, history, since=0):
    """Children that have not ended well, in the order in which they began."""
    return [child for child, (how, _) in children_of(step, history, since).items() if how != "well"]


def failing_ms(step, history, since=0, until=FAR_MS):
    """Since when a step that waits for children has failed, by how they stand at a moment; None if it hasn't."""
    stand = children_of(step, history, since, until).values()
    failed = sorted(at for how, at in stand if how == "failed")
    if not failed or (not step["children"]["all"] and len(failed) < len(stand)):
        return None
    return failed[0] if step["children"]["all"] else failed[-1]


def first_failed_ms(step, history):
    """When a step had failed for the first time, whatever came then."""
    if "children" not in step:
        return min(times_of(history, step.get("failed", ())), default=None)
    moments = sorted({item.at for item in history})
    return next((at for at in moments if failing_ms(step, history, until=at) is not None), None)


def needed(step, history, until=FAR_MS):
    """How many it takes by a moment; None while that isn't known."""
    times = step.get("times", 1)
    if not isinstance(times, dict):
        return times
    said = [(at, int(value)) for at, kind, value in history if kind == times["event"] and at <= until]
    return max(said)[1] if said else None


def often(step, history, since=0, until=FAR_MS):
    """How many were done between two moments, of each id one."""
    if "children" in step:
        return [how for how, _ in children_of(step, history, since, until).values()].count("well")
    done = [item.value for item in history if item.kind in step["done"] and since <= item.at <= until]
    named = {value for value in done if value}
    return len(done) if "of" not in step else len(named) + done.count("")


def enough(step, history, since=0, until=FAR_MS):
    """Whether it was done between two moments as often as it took by the later one."""
    if step.get("children", {}).get("all") and "times" not in step:
        stand = [how for how, _ in children_of(step, history, since, until).values()]
        return bool(stand) and set(stand) == {"well"}
    wanted = needed(step, history, until)
    return wanted is not None and often(step, history, since, until) >= wanted


def enough_ms(step, history):
    """When it had been done as often as it took by then."""
    moments = sorted({item.at for item in history})
    return next((moment for moment in moments if enough(step, history, until=moment)), None)


def owed(step, history, until):
    """Of what was done, how much no taking back can be assigned to, id by id."""
    return sum(
        is_out(step, own, until) if own and own[0].value and "of" in step else owed_of_one(step, own, until)
        for own in each(step, history)
    )


def is_out(step, history, until):
    """Whether a thing that has an id is out: where it was last seen, by clocks that may be a second wrong."""
    there, back = False, -FAR_MS
    for at, kind, _ in sorted(history, key=lambda item: (item.at, item.kind in step["undone"])):
        if at <= until and kind in step["undone"]:
            there, back = False, back if there else at
        elif at <= until and kind in step["done"]:
            there = there or at - back > 1_000
    return there


def owed_of_one(step, history, until):
    """Of what was done, how much no taking back can be assigned to: tried in every way that helps."""
    undone = times_of(history, step["undone"], until)
    taken: dict[int, tuple[int, int]] = {}

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
