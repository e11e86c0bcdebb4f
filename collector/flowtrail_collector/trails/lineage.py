"""How the copies of one event follow from each other, whatever their clocks say.

A record may be copied to a retry topic, given up as a dead letter, and sent back from there. What headers, the audit
and offsets say of that goes before any clock. Each copy belongs to a round: the records in the event's own topic
count them, for each that was sent back begins one. Within a round come the record, its retries, its dead letters; what
led to a copy is always before it by that count, so copies never lead to each other in a circle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.events.topics import QUARANTINE, holds_copies
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span
from flowtrail_collector.trails.causal_order import causal_order
from flowtrail_collector.trails.messages import Message, Publication

__all__ = ["put_in_order"]

_LEVEL = re.compile(r"(?i)(.*retry)\D*(\d+)?$")


def put_in_order(message: Message, redriven_by: Mapping[Place, str]) -> None:
    """Sort what is known of one event: publications so that none comes before what it is a copy of, handlings likewise.

    Args:
        message: The event; of each publication is set what it follows from, and its round.
        redriven_by: Who redrove what was written to a place, as the audit says.
    """
    found = message.publications
    _Lineage(found, lambda item: item.place in redriven_by).tell()
    causes = {item: {*item.copied_from, *([item.after] if item.after else [])} for item in found}
    message.publications = _sorted(found, causes)
    for group, spans in message.handlings.items():
        message.handlings[group] = _attempts(message, spans)


def _attempts(message: Message, spans: Sequence[Span]) -> list[Span]:
    """One group's handlings: round by round, in each by their numbers if those tell them apart, else by time."""
    rounds: dict[int, list[Span]] = {}
    for span in spans:
        source = message.source_of(span)
        rounds.setdefault(source.round if source else -1, []).append(span)
    result: list[Span] = []
    for _, those in sorted(rounds.items()):
        numbers = [span.number(names.ATTEMPT) for span in those]
        distinct = None not in numbers and len(set(numbers)) == len(numbers)
        result += sorted(
            those,
            key=lambda span: (
                (span.number(names.ATTEMPT) or 0) if distinct else 0,
                span.start_ns,
                span.trace_id,
                span.span_id,
            ),
        )
    return result


def _sorted(
    items: Iterable[Publication], causes: Mapping[Publication, Iterable[Publication]]
) -> list[Publication]:
    ranked = sorted(items, key=lambda item: (item.start_ns, *item.place, item.key))
    keys = {item: f"{number:09}" for number, item in enumerate(ranked)}
    before = {keys[item]: [keys[each] for each in causes.get(item, ()) if each in keys] for item in ranked}
    order = causal_order({keys[item]: item.start_ns for item in ranked}, before)
    return [ranked[int(key)] for key in order]


class _Lineage:
    def __init__(
        self, publications: Sequence[Publication], is_redriven: Callable[[Publication], bool]
    ) -> None:
        self._all = publications
        self._is_redriven = is_redriven
        self._set_log_order()
        self._letters = [item for item in publications if item.is_dead_letter]
        others = [item for item in publications if not item.is_dead_letter]
        own = self._own([item for item in others if not holds_copies(item.topic)])
        home = own[0].topic if own else None
        self._rounds = [item for item in own if item.topic == home or is_redriven(item)]
        self._passed_on = [item for item in others if item not in self._rounds]

    def tell(self) -> None:
        for number, item in enumerate(self._rounds):
            item.round = number
        self._find_sources()
        self._place_letters()
        self._place_passed_on()
        self._place_letters()
        self._add_tries()
        used: set[Publication] = set()
        for item in self._rounds:
            self._send_back(item, used, [each for each in self._letters if each.round < item.round])
        for item in self._passed_on:
            if self._is_out(item):
                self._send_back(item, used, [each for each in self._letters if each.round <= item.round])
            else:
                item.copied_from = self._earlier_try(item)

    def _set_log_order(self) -> None:
        """Of two records in one partition, the one with the lower offset was there first."""
        logged = [item for item in self._all if item.place[2] >= 0 and not item.is_dead_letter]
        last: Publication | None = None
        for item in sorted(logged, key=lambda item: item.place):
            if last is not None and last.place[:2] == item.place[:2]:
                item.after = last
            last = item

    def _own(self, items: Sequence[Publication]) -> list[Publication]:
        causes = {item: {item.after} if item.after is not None else set() for item in items}
        # Nothing is sent back that wasn't there.
        first = [item for item in _sorted(items, causes) if not self._is_redriven(item)][:1]
        for item in items:
            if self._is_redriven(item):
                causes[item] |= set(first)
        return _sorted(items, causes)

    def _is_out(self, item: Publication) -> bool:
        return item.topic.endswith(QUARANTINE) or self._is_redriven(item)

    def _place_passed_on(self) -> None:
        by_topic: dict[str, list[Publication]] = {}
        for item in sorted(self._passed_on, key=lambda item: (*item.place, item.start_ns, item.key)):
            by_topic.setdefault(item.topic, []).append(item)
        for items in by_topic.values():
            # What a group gave up went through all its retry topics, so the copies there may tell the rounds.
            ended = sorted({each.round for each in self._letters if self._is_try(items[0], each)} - {-1})
            certain = list(range(len(self._rounds))) if len(items) == len(self._rounds) else ended
            if len(items) <= len(certain):
                for item, number in zip(items, certain, strict=False):
                    item.round = number
            else:
                self._place_by_time(items)

    def _place_by_time(self, items: Sequence[Publication]) -> None:
        before: Publication | None = None
        for item in items:
            rounds = [each.round for each in self._rounds if each.start_ns <= item.start_ns]
            item.round = max([min(0, len(self._rounds) - 1), *rounds])
            if before is not None and before.place[:2] == item.place[:2]:
                item.round = max(item.round, before.round)
            before = item

    def _find_sources(self) -> None:
        by_place = {item.place: item for item in self._all if item.place[2] >= 0}
        for item in self._letters:
            source = by_place.get(_source_place(item) or ("", -1, -1))
            if source is None or source is item:
                source = self._likely_source(item)
            item.copied_from = [source] if source is not None else []

    def _place_letters(self) -> None:
        for item in self._letters:
            # A dead letter that died again in its own topic is as far as that one was.
            seen, source = {item}, _first(item.copied_from)
            while source is not None and source.is_dead_letter and source not in seen:
                seen.add(source)
                source = _first(source.copied_from)
            item.round = source.round if source is not None and not source.is_dead_letter else -1

    def _add_tries(self) -> None:
        for item in self._letters:
            tries = [
                each for each in self._passed_on if each.round == item.round and self._is_try(each, item)
            ]
            item.copied_from = [*sorted(tries, key=_level, reverse=True), *item.copied_from]

    def _likely_source(self, letter: Publication) -> Publication | None:
        """The record that a dead letter is a copy of, where its headers name no place that is known."""
        said, place = letter.dead_letter, _source_place(letter)
        topic = said.source_topic if said else None
        known = [item for item in self._rounds if item.topic == topic] or self._rounds
        if said is not None and place is None and said.replays is not None and known:
            return known[min(said.replays, len(known) - 1)]
        possible = [item for item in known if not _is_behind(item, place)]
        earlier = [
            item for item in possible if _is_ahead(item, place) or item.start_ns <= letter.start_ns
        ] or [item for item in known if item.start_ns <= letter.start_ns and not self._is_redriven(item)]
        return earlier[-1] if earlier else next((p for p in possible if not self._is_redriven(p)), None)

    def _is_try(self, item: Publication, letter: Publication) -> bool:
        """Whether a copy in a retry topic is an attempt of the group that gave up, going by the topic's name."""
        said = letter.dead_letter
        if said is None or not said.group or self._is_out(item) or not holds_copies(item.topic):
            return False
        if re.search(rf"[._-]{re.escape(said.group)}[._-]", item.topic):
            return True
        groups = {each.dead_letter.group for each in self._letters if each.dead_letter}
        return (
            len(groups) == 1
            and re.match(rf"{re.escape(said.source_topic or '')}[._-]retry", item.topic) is not None
        )

    def _earlier_try(self, item: Publication) -> list[Publication]:
        name, level = _level(item)
        earlier = [
            each
            for each in self._passed_on
            if each.round == item.round
            and not self._is_out(each)
            and _level(each)[0] == name
            and _level(each)[1] < level
        ]
        if earlier:
            return [max(earlier, key=lambda each: (_level(each), each.start_ns, each.place))]
        return [self._rounds[item.round]] if 0 <= item.round < len(self._rounds) else []

    def _send_back(self, item: Publication, used: set[Publication], letters: Sequence[Publication]) -> None:
        """Say which dead letter a record is that was sent back; without the audit a later one was no reason."""
        if not self._is_out(item):
            letters = [each for each in letters if each.start_ns <= item.start_ns or _is_dealt_with(each)]
            if not item.round:
                return
        if not letters:
            return
        chosen = max(
            letters,
            key=lambda each: (
                _is_dealt_with(each),
                each not in used,
                each.start_ns <= item.start_ns,
                each.start_ns if each.start_ns <= item.start_ns else -each.start_ns,
                each.place,
                each.key,
            ),
        )
        used.add(chosen)
        item.copied_from = [chosen]


def _first(items: Sequence[Publication]) -> Publication | None:
    return items[0] if items else None


def _source_place(letter: Publication) -> Place | None:
    """Where the record was that died; on RabbitMQ a place finds nothing again."""
    said = letter.dead_letter
    if said is None or said.source_topic is None or said.source_topic.startswith(RABBITMQ):
        return None
    if said.source_partition is None or said.source_offset is None:
        return None
    return said.source_topic, said.source_partition, said.source_offset


def _is_behind(item: Publication, place: Place | None) -> bool:
    return place is not None and item.place[:2] == place[:2] and item.place[2] > place[2]


def _is_ahead(item: Publication, place: Place | None) -> bool:
    return place is not None and item.place[:2] == place[:2] and item.place[2] < place[2]


def _is_dealt_with(letter: Publication) -> bool:
    return letter.dead_letter is not None and letter.dead_letter.state in ("redriven", "quarantined")


def _level(item: Publication) -> tuple[str, int]:
    """Which series of retry topics a copy is in, and in which of them."""
    found = _LEVEL.match(item.topic)
    return (found[1], int(found[2] or 0)) if found else (item.topic, 0)
