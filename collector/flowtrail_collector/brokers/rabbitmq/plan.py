"""Which bindings the stream should have: those that others have, so that it changes nothing of what a server does.

To the server it is a queue like any other. Bound with more than others are, it would take what no queue takes: that
would neither come back to a publisher who asks for it (`mandatory`) nor go to an alternate exchange.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from flowtrail_collector.settings import RabbitConfig

__all__ = ["Binding", "Plan", "plan_of"]

Told = Mapping[str, Any]
Hops = Mapping[str, Sequence[Told]]

_OURS = "x-flowtrail"
"""Argument of our bindings: to another collector, its own stream and this one are nobody who takes a message."""

# With a key and arguments: whatever the exchange gets.
_EVERYTHING: Mapping[str, tuple[str, Told]] = {
    "topic": ("#", {}),
    "fanout": ("", {}),
    "headers": ("", {"x-match": "all"}),
}
# An exchange of another type (consistent hash, random) would give the stream what it then gives nobody else.
_KINDS = {*_EVERYTHING, "direct"}


class Binding(NamedTuple):
    """A binding of the stream.

    Attributes:
        exchange: To what.
        key: Routing key.
        arguments: As JSON with sorted keys.
    """

    exchange: str
    key: str
    arguments: str

    @property
    def table(self) -> dict[str, Any]:
        """The arguments."""
        return dict(orjson.loads(self.arguments))


class Plan(NamedTuple):
    """The bindings that the stream should have, and those that it has.

    Attributes:
        exchanges: Names of the exchanges that are meant to be followed.
        bound: Its bindings.
        wanted: The bindings that it should have.
        unheard: Those of the exchanges that lead to nobody's queue.
        passing: Exchanges that go with their last binding.
        problems: Those that can't be followed as they should be, and why.
    """

    exchanges: Collection[str]
    bound: Collection[Binding]
    wanted: Collection[Binding]
    unheard: Collection[str]
    passing: Collection[str]
    problems: Mapping[str, str]

    @property
    def missing(self) -> list[Binding]:
        """The bindings that it hasn't yet."""
        return sorted(set(self.wanted) - set(self.bound))

    @property
    def surplus(self) -> list[Binding]:
        """The bindings that it has and shouldn't."""
        return sorted(set(self.bound) - set(self.wanted))

    def takes_everything(self, exchange: str) -> bool:
        """Whether the stream is bound so that it gets all that is published there."""
        return any(each.exchange == exchange and _is_everything(each) for each in self.bound)


def plan_of(
    config: RabbitConfig, exchanges: Iterable[Told], bindings: Iterable[Told], refused: Collection[str] = ()
) -> Plan:
    """What the stream should be bound to.

    Beside the exchanges that are followed, these are the ones that get something from those: only there it is seen
    whether a queue takes it.

    Args:
        config: Which exchanges are followed, and how much of what is published there.
        exchanges: All of the virtual host, as the management API has them: name, type, auto_delete.
        bindings: All of the virtual host, likewise: source, destination, destination_type, routing_key, arguments.
        refused: Exchanges that the user may not read: what others send there is copied where it comes from.
    """
    pattern = re.compile(config.exchanges)
    there = {str(each["name"]): each for each in exchanges if each["name"]}
    kinds = {name: str(each["type"]) for name, each in there.items()}
    followed = {name for name in kinds if pattern.fullmatch(name)}
    bound, hops = _apart(config.queue, bindings)
    through = {name for name in _reached_from(followed, hops) if kinds.get(name) in _KINDS}
    copied = through - set(refused)
    wanted: set[Binding] = set()
    for name in through:
        if config.copy == "published" and name in followed and kinds[name] in _EVERYTHING:
            wanted.add(_binding(name, *_EVERYTHING[kinds[name]]))
        else:
            wanted |= _as_others(name, kinds[name], hops, copied)
    return Plan(
        followed,
        bound,
        wanted,
        [name for name in followed if not _leads_to_a_queue(name, hops)],
        {name for name, each in there.items() if each.get("auto_delete")},
        {
            **_unfollowed({name: kinds[name] for name in followed}, hops),
            **_untold((name for name in through if kinds[name] == "headers"), hops),
        },
    )


def _is_everything(binding: Binding) -> bool:
    """Whether a binding of ours takes all that is published to the exchange."""
    return binding[1:] in {_binding("", *everything)[1:] for everything in _EVERYTHING.values()}


def _apart(queue: str, bindings: Iterable[Told]) -> tuple[set[Binding], dict[str, list[Told]]]:
    """The stream's own bindings, and by exchange those that aren't any collector's."""
    bound: set[Binding] = set()
    hops: dict[str, list[Told]] = defaultdict(list)
    for each in bindings:
        source, arguments = str(each["source"]), each.get("arguments", {})
        if not source:  # the default exchange has one for each queue
            continue
        if each["destination_type"] == "queue" and each["destination"] == queue:
            bound.add(Binding(source, str(each["routing_key"]), _as_json(arguments)))
        elif _OURS not in arguments:
            hops[source].append(each)
    return bound, hops


def _as_others(name: str, kind: str, hops: Hops, copied: Collection[str]) -> set[Binding]:
    """Bindings to an exchange with which others get from it what isn't copied further on."""
    found = {
        _binding(name, str(each["routing_key"]), each.get("arguments", {}) if kind == "headers" else {})
        for each in hops.get(name, ())
        if not (kind == "headers" and _is_untold(each))
        and (
            each["destination_type"] == "queue"
            or (
                each["destination"] not in copied
                and _leads_to_a_queue(str(each["destination"]), hops, copied)
            )
        )
    }
    if kind == "fanout":
        return {_binding(name, "", {})} if found else found
    everything = _binding(name, "#", {})
    return {everything} if kind == "topic" and everything in found else found


def _reached_from(names: Iterable[str], hops: Hops, without: Collection[str] = ()) -> set[str]:
    """Exchanges, and all that get something from them; ways that lead in a circle end, and those into others."""
    passed = set(names)
    waiting = list(passed)
    while waiting:
        for each in hops.get(waiting.pop(), ()):
            further = str(each["destination"])
            if each["destination_type"] == "exchange" and further not in passed and further not in without:
                passed.add(further)
                waiting.append(further)
    return passed


def _leads_to_a_queue(name: str, hops: Hops, without: Collection[str] = ()) -> bool:
    """Whether what an exchange gets can reach a queue, not by way of others."""
    return any(
        each["destination_type"] == "queue"
        for passed in _reached_from([name], hops, without)
        for each in hops.get(passed, ())
    )


def _unfollowed(followed: Mapping[str, str], hops: Hops) -> dict[str, str]:
    """Exchanges that can't be bound to."""
    # What it gets from one that is followed is in the stream.
    fed = {
        str(each["destination"])
        for name in followed
        for each in hops.get(name, ())
        if each["destination_type"] == "exchange"
    }
    return {
        name: f"isn't followed: its type is {kind}: publish through a topic or fanout exchange bound to it"
        for name, kind in followed.items()
        if kind not in _KINDS and name not in fed
    }


def _untold(names: Iterable[str], hops: Hops) -> dict[str, str]:
    """Headers exchanges with bindings that the management API doesn't tell as they are."""
    return {
        name: "isn't followed whole: arguments of its bindings that are bytes or have no value can't be read from the"
        " management API, and what only those bindings take isn't seen; bind with texts or numbers"
        for name in names
        if any(map(_is_untold, hops.get(name, ())))
    }


def _is_untold(binding: Told) -> bool:
    values = [value for name, value in binding.get("arguments", {}).items() if not name.startswith("x-")]
    return any(value == "undefined" or str(value).startswith("Not UTF-8") for value in values)


def _binding(exchange: str, key: str, arguments: Told) -> Binding:
    # With it, a message would have to have a header of that name.
    marked = {} if arguments.get("x-match") == "all-with-x" else {_OURS: True}
    return Binding(exchange, key, _as_json({**arguments, **marked}))


def _as_json(arguments: Told) -> str:
    return orjson.dumps(dict(arguments), option=orjson.OPT_SORT_KEYS).decode()
