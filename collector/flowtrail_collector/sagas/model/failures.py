"""When a step has failed: by an event, or, where it waits for children, by how those stand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from flowtrail_collector.sagas.model.flows import Children, Flow, Step
from flowtrail_collector.sagas.model.news import News, latest, news_of
from flowtrail_collector.sagas.model.seen import Seen, earliest

__all__ = ["failed_for_good_ms", "failed_ms"]


def failed_ms(step: Step, seen: Seen, begin: int | None, until: int | None = None) -> int | None:
    """Since when a step has failed; None if it hasn't, or, as a child began again, has no longer.

    Args:
        step: What the flow file says of it.
        seen: The instance's events.
        begin: When its round began; None in the first one.
        until: Whether it had by then, before what happened at that moment; None: by now.
    """
    if step.children is not None:
        return _failed(step.children, latest(step.children, seen, begin, until).values())
    if not step.failed:
        return None
    if begin is None:
        failed = earliest(seen.first, step.failed)
    else:
        failed = next((at for at in seen.moments(step.failed) if at >= begin), None)
    return failed if failed is None or until is None or failed < until else None


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
    if step.children is None:
        return earliest(seen.first, step.failed)
    known: dict[str, News] = {}
    for _, together in groupby(news_of(step.children, seen, None), key=lambda news: news.at_ms):
        known.update({news.child: news for news in together})
        if (moment := _failed(step.children, known.values())) is not None:
            return moment
    return None


def _failed(children: Children, known: Iterable[News]) -> int | None:
    """Since when a step has failed by the latest news of each of its children: one of all, or each where one is enough."""
    states = list(known)
    failed = [news.at_ms for news in states if news.failed]
    if children.all:
        return min(failed, default=None)
    return max(failed, default=None) if len(failed) == len(states) else None
