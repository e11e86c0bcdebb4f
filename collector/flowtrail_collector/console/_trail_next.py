"""What to look at next on a trail: the letter, the group that is waited for, the flow's part of the map, the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from flowtrail_collector.lag.words import catch_up_words
from flowtrail_collector.wording import counted

__all__ = ["Next", "next_of"]

_MOST_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Next:
    """A link.

    Attributes:
        text: What is there.
        address: Where.
        here: It is a page of the console.
        urgent: It is about what holds the order up.
    """

    text: str
    address: str
    here: bool = True
    urgent: bool = False


def next_of(
    trail: Mapping[str, Any],
    group_of: Callable[[str], Mapping[str, Any] | None],
    trace_links: Mapping[str, str | None],
    grafana: str | None,
) -> list[Next]:
    """Links from a trail, those about what holds it up first.

    Args:
        trail: As the API answers it.
        group_of: A consumer group as the API answers it, None if it isn't known.
        trace_links: Where each trace can be looked at, None for nowhere.
        grafana: A dashboard about its time.
    """
    found = [*_letters(trail), *_groups(trail, group_of), *_flows(trail)]
    traces = [link for link in trace_links.values() if link]
    found += [Next("Trace" if len(traces) == 1 else f"Trace {n}", link, here=False)
              for n, link in enumerate(traces[:_MOST_LETTERS], 1)]  # fmt: skip
    return found + ([Next("Grafana", grafana, here=False)] if grafana else [])


def _letters(trail: Mapping[str, Any]) -> Iterator[Next]:
    letters = [
        entry
        for entry in trail["entries"]
        if entry["kind"] == "dead_letter" and entry.get("state") == "pending" and "offset" in entry
    ]
    for letter in letters[:_MOST_LETTERS]:
        place = f"{quote(letter['topic'], safe='')}/{letter['partition']}/{letter['offset']}"
        yield Next(
            f"Dead letter of {letter.get('group') or letter['service']}",
            f"/dead-letters/{place}",
            urgent=True,
        )


def _groups(trail: Mapping[str, Any], group_of: Callable[[str], Mapping[str, Any] | None]) -> Iterator[Next]:
    for name in dict.fromkeys(step["by"] for step in trail["missing"] if step["by"]):
        group = group_of(name)
        if group is not None:
            yield Next(f"Group {name}: {_state(group)}", f"/lag?{urlencode({'group': name})}", urgent=True)


def _state(group: Mapping[str, Any]) -> str:
    """Verdict and lag: `stopped, 4 messages unread`."""
    said = group["verdict"] or "not known yet"
    if not group["lag"]:
        return str(said)
    words = [said, f"{counted(group['lag'], 'message')} unread"]
    if takes := catch_up_words(group):
        words.append(f"time to catch up {takes}")
    return ", ".join(words)


def _flows(trail: Mapping[str, Any]) -> Iterator[Next]:
    for flow in dict.fromkeys(saga["flow"] for saga in trail["sagas"]):
        yield Next(f"Map of {flow}", f"/map?{urlencode({'flow': flow})}")
        yield Next(f"History of {flow}", f"/history?{urlencode({'flow': flow})}")
