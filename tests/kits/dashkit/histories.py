"""Made-up histories of counters, as promtool reads them, and what is true of them.

A history is what a scrape every 15 seconds sees of each series: a number, or None where it isn't there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

SCRAPE_SECONDS = 15
Seen = list[int | None]


@dataclass(slots=True)
class History:
    """Some series and how much their counters rose within the last `window` scrapes.

    Attributes:
        window: How many scrapes the time range is long.
        series: What the scrapes saw, by series.
        risen: By the label that tells the counters apart; None if nothing is known of the present.
    """

    window: int
    series: dict[str, Seen] = field(default_factory=dict)
    risen: dict[str, int] | None = field(default_factory=dict)

    @property
    def scrapes(self) -> int:
        """How many there were."""
        return len(next(iter(self.series.values())))


def written(seen: Sequence[int | None]) -> str:
    """A series as promtool takes it: one that was there and isn't any more ends with `stale`."""
    words = []
    for number, value in enumerate(seen):
        gone = value is None and number > 0 and seen[number - 1] is not None
        words.append("stale" if gone else "_" if value is None else str(value))
    return " ".join(words)


def kept_by_collectors(seed: int) -> History:
    """Dead letters of several kinds, counted in a store and shown by whichever of two collectors leads."""
    chance = random.Random(seed)
    scrapes, window = 40, chance.choice([8, 20, 30])
    history = History(window)
    seen_from = chance.choice([0, 0, 0, scrapes - window + 3])
    away = range(start := chance.randrange(scrapes), start + chance.choice([0, 0, 3, 6]))
    leaders = [None if n < seen_from or n in away else "ab"[n >= scrapes // 2] for n in range(scrapes)]
    for name in "ab":
        place = f'{{job="flowtrail", instance="{name}"}}'
        history.series[f"flowtrail_collector_info{place}"] = [
            None if leader is None else 1 for leader in leaders
        ]
        history.series[f"flowtrail_collector_store_bytes{place}"] = [
            4096 if leader == name else None for leader in leaders
        ]
    first = next((n for n in range(scrapes - 1 - window, scrapes) if leaders[n] is not None), None)
    for kind in ("ValueError", "KeyError", "Timeout")[: chance.randint(1, 3)]:
        counts = _counts(chance, scrapes, start=chance.choice([0, 500]), begins=chance.randrange(scrapes))
        for name in "ab":
            labels = f'topic="t.dlq", source_topic="t", group="g", error_type="{kind}", job="flowtrail", instance="{name}"'
            history.series[f"flowtrail_dlq_arrivals_total{{{labels}}}"] = [
                count or None if leader == name else None
                for count, leader in zip(counts, leaders, strict=True)
            ]
        if history.risen is not None and first is not None:
            history.risen[kind] = counts[-1] - counts[first]
    if leaders[-1] is None:
        history.risen = None
    return history


def kept_by_processes(seed: int) -> History:
    """Dead letters of several services, each of which begins at 0 when it is started again."""
    chance = random.Random(seed)
    scrapes, window = 40, chance.choice([8, 20, 30])
    history = History(window)
    seen_from = chance.choice([0, 0, 0, scrapes - window + 3])
    for service in ("billing", "orders"):
        up: Seen = [1] * scrapes
        counts = _counts(chance, scrapes, start=chance.choice([0, 300]), begins=chance.randrange(scrapes))
        if seen_from == 0 and chance.random() < 0.6:
            # Killed and started again: nothing from one scrape, and then nothing is counted for a while.
            again = chance.randrange(2, scrapes - 2)
            up[again] = 0
            since = _counts(chance, scrapes - again, start=0, begins=chance.randrange(1, scrapes - again))
            since = [min(count, max(counts[again - 1] - 1, 0)) for count in since]
            counts = [*counts[:again], *since]
        seen: Seen = [
            count or None if alive and n >= seen_from else None
            for n, (count, alive) in enumerate(zip(counts, up, strict=True))
        ]
        history.series[f'up{{job="{service}", instance="{service}"}}'] = [
            alive if n >= seen_from else None for n, alive in enumerate(up)
        ]
        labels = f'job="{service}", instance="{service}"'
        history.series[f"messaging_client_consumed_messages_total{{{labels}}}"] = [
            (n + 1) if n >= seen_from else None for n in range(scrapes)
        ]
        of_letters = f'{labels}, messaging_destination_name="t", error_type="ValueError"'
        history.series[f"flowtrail_dead_letters_total{{{of_letters}}}"] = seen
        assert history.risen is not None
        history.risen[service] = _risen(counts, max(scrapes - 1 - window, seen_from))
    return history


def _counts(chance: random.Random, scrapes: int, *, start: int, begins: int) -> list[int]:
    """A counter that rises now and then; one that starts at 0 begins at some time."""
    counts = []
    count = start
    for number in range(scrapes):
        if (start or number >= begins) and chance.random() < 0.3:
            count += chance.randint(1, 5)
        counts.append(count)
    return counts


def _risen(counts: Sequence[int], since: int) -> int:
    steps = zip(counts[since:], counts[since + 1 :], strict=False)
    return sum(after - before if after >= before else after for before, after in steps)
