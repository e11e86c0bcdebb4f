"""When a step has failed: by an event, or, where it waits for children, by how those stand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from flowtrail_collector.sagas.model.flows import CHILD, Children, Flow, Step
from flowtrail_collector.sagas.model.occurrences import Seen, earliest

__all__ = ["failed_for_good_ms", "failed_ms"]

_News = tuple[int, bool, str, bool]
"""What a parent is told of a child: (when, it has ended, which one, it failed)."""


def failed_ms(step: Step, seen: Seen, begin: int | None) -> int | None:
    """Since when a step has failed; None if it hasn't, or, as a child began again, has no longer.

    Args:
        step: What the flow file says of it.
        seen: The instance's events.
        begin: When its round began; None in the first one.
    """
    if step.children is not None:
        latest = {news[2]: news for news in _told(step.children, seen) if begin is None or news[0] >= begin}
        return _failed(step.children, latest.values())
    if not step.failed:
        return None
    if begin is None:
        return earliest(seen.first, step.failed)
    return next((at for at in seen.moments(step.failed) if at >= begin), None)


def failed_for_good_ms(flow: Flow, seen: Seen) -> int | None:
    """When a flow ended because a step failed of which there are several ways, or several children."""
    moments = []
    for group in flow.failing_together:
        failed = [_first_failed_ms(step, seen) for step in group]
        known = [moment for moment in failed if moment is not None]
        if len(known) == len(group):
            moments.append(max(known))
    return min(moments, default=None)


def _first_failed_ms(step: Step, seen: Seen) -> int | None:
    """When a step failed for the first time, whatever came then."""
    if step.children is None or step.children.all:
        return earliest(seen.first, step.failed)
    latest: dict[str, _News] = {}
    for _, together in groupby(_told(step.children, seen), key=lambda news: news[0]):
        latest.update({news[2]: news for news in together})
        if (moment := _failed(step.children, latest.values())) is not None:
            return moment
    return None


def _told(children: Children, seen: Seen) -> list[_News]:
    """All news of children, in the order of time."""
    news = [(at, False, own, False) for at, own in seen.told((children.begun,), CHILD)]
    for word in (children.completed, children.failed):
        news += [(at, True, own, word == children.failed) for at, own in seen.told((word,), CHILD)]
    return sorted(news)


def _failed(children: Children, latest: Iterable[_News]) -> int | None:
    """Since when a step has failed by the latest news of each of its children: one of all, or each where one is enough."""
    failed, others = [], 0
    for at, _, _, has_failed in latest:
        if has_failed:
            failed.append(at)
        else:
            others += 1
    if children.all:
        return min(failed, default=None)
    return None if others else max(failed, default=None)
