"""Which missed deadlines of an instance were counted, and of which steps it is late now.

Kept as words: the name of a step that is late, and `name#round` or `name!round` for each time that it missed its
own deadline or that of the cancellation it called for, in the round that began at that moment (ms since the epoch;
0 is the first). The name alone is short for `name#0` too, where nothing else is known of that step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowtrail_collector.sagas.model.steps import StepProgress, StepState

__all__ = ["Lateness", "missed", "renamed", "step_of"]

_OWN, _CANCELLATION = "#", "!"


def step_of(word: str) -> str:
    """The step that a word is about."""
    return word.partition(_OWN)[0].partition(_CANCELLATION)[0]


def renamed(breached: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """What was written, with the names that steps have now."""
    return tuple([names.get(step_of(word), step_of(word)) + word[len(step_of(word)) :] for word in breached])


class Lateness:
    """Reads and writes `SagaRecord.breached`.

    Args:
        breached: What was written.
    """

    def __init__(self, breached: Iterable[str]) -> None:
        self._known: dict[str, list[str]] = {}
        late = []
        for word in breached:
            name = step_of(word)
            if name == word:
                late.append(name)
            else:
                self._known.setdefault(name, []).append(word)
        for name in late:
            self._known.setdefault(name, [f"{name}{_OWN}0"])
        self._late = dict.fromkeys(late)

    def words(self) -> tuple[str, ...]:
        """What to write."""
        words: list[str] = []
        for name, known in self._known.items():
            short = name in self._late and known == [f"{name}{_OWN}0"]
            words += [name] if short else [*known, name] if name in self._late else known
        return tuple(words)

    def count(self, item: StepProgress) -> bool:
        """Note that a step missed its own deadline in this round; False if that was noted."""
        return self._note(f"{item.step.name}{_OWN}{item.round_ms}", item.step.name)

    def counted(self, item: StepProgress) -> bool:
        """Whether it was noted that a step missed its own deadline in this round."""
        return f"{item.step.name}{_OWN}{item.round_ms}" in self._known.get(item.step.name, ())

    def look(self, items: Iterable[StepProgress], known_ms: int) -> None:
        """Note which steps are late, when everything up to `known_ms` has been read."""
        self._late = {}
        for item in items:
            if not item.waits or item.due_ms is None or item.due_ms >= known_ms:
                continue
            # One that stood failed by then, and that a child opened that began again, has still to be counted.
            if item.state is StepState.FAILED or self.counted(item):
                self._note(_key(item), item.step.name)
                self._late[item.step.name] = None

    def keep(self, items: Iterable[StepProgress]) -> None:
        """Forget that steps are late which wait for something else than when they were found late."""
        for item in items:
            name = item.step.name
            if item.waits and name in self._late and self._known[name][-1] != _key(item):
                del self._late[name]

    def _note(self, word: str, name: str) -> bool:
        known = self._known.setdefault(name, [])
        if word in known:
            return False
        known.append(word)
        return True


def missed(item: StepProgress, until_ms: int) -> bool:
    """Whether a step's own deadline lay before `until_ms` and was missed."""
    deadline_ms = item.deadline_ms
    if deadline_ms is None or deadline_ms >= until_ms or item.step.optional:
        return False
    return item.until_ms is None or item.until_ms > deadline_ms


def _key(item: StepProgress) -> str:
    kind = _CANCELLATION if item.state is StepState.FAILED else _OWN
    return f"{item.step.name}{kind}{item.round_ms}"
