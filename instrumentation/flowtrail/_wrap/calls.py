"""What a client's method takes, so that a call can be handed on exactly as it came.

The classes of one client give the same arguments different places (`Producer.produce` has the value second,
`SerializingProducer.produce` the key; `AvroProducer.produce` takes nothing by position), and subclasses add
their own. What stands where is read from the real signature, once for each client object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, NamedTuple

from flowtrail.errors import ConfigurationError

NOWHERE = 1 << 16
"""The place of an argument that can't be given by position."""

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Taken(NamedTuple):
    """What a method takes.

    Attributes:
        places: Names of what can be given by position, in order, without `self`.
        names: Names of what can be given by keyword.
    """

    places: tuple[str, ...]
    names: frozenset[str]

    def place(self, name: str) -> int:
        """Where an argument stands when it is given by position; `NOWHERE` if it can't be."""
        return self.places.index(name) if name in self.places else NOWHERE

    def first(self, name: str) -> int:
        """Like `place`, or 0 where a subclass calls its first argument something else."""
        return self.place(name) if name in self.places or name in self.names else 0


def taken_by(kind: type[Any], method: str, built_in: tuple[str, ...]) -> Taken:
    """What a method of a class takes.

    What an override passes on as `*arguments` and `**named` is what the method above it takes.

    Args:
        kind: The client's class.
        method: Name of the method.
        built_in: What the method of a class in C takes, whose signature can't be read.
    """
    found = [vars(base)[method] for base in kind.__mro__ if method in vars(base)]
    return _taken(found, built_in)


def _taken(functions: list[Callable[..., Any]], built_in: tuple[str, ...]) -> Taken:
    if not functions:
        return Taken(built_in, frozenset(built_in))
    try:
        parameters = list(signature(functions[0]).parameters.values())
    except ValueError:
        return Taken(built_in, frozenset(built_in))
    if parameters and parameters[0].kind in _BY_PLACE:  # self
        del parameters[0]
    places = tuple(parameter.name for parameter in parameters if parameter.kind in _BY_PLACE)
    names = frozenset(parameter.name for parameter in parameters if parameter.kind in _BY_NAME)
    kinds = {parameter.kind for parameter in parameters}
    if Parameter.VAR_POSITIONAL in kinds or Parameter.VAR_KEYWORD in kinds:
        above = _taken(functions[1:], built_in)
        if Parameter.VAR_POSITIONAL in kinds:
            places += tuple(name for name in above.places if name not in names and name not in places)
        if Parameter.VAR_KEYWORD in kinds:
            names |= above.names
    return Taken(places, names)


class Shape:
    """Where a producer's method has what is read from a call and what is put into it.

    Attributes:
        topic: Place of the topic; likewise value, key and headers.
        reports: Names and places of the delivery callback, the one that wins first; empty if there is none.
    """

    __slots__ = ("headers", "key", "reports", "topic", "value")

    def __init__(self, taken: Taken, reports: tuple[str, ...] = ()) -> None:
        self.topic = taken.first("topic")
        self.value = taken.place("value")
        self.key = taken.place("key")
        self.headers = taken.place("headers")
        self.reports = tuple((name, taken.place(name)) for name in reports if _has(taken, name))


def shape_of(
    kind: type[Any], method: str, built_in: tuple[str, ...] = (), reports: tuple[str, ...] = ()
) -> Shape:
    """The shape of a producer's method.

    Args:
        kind: The producer's class.
        method: Name of the method.
        built_in: See `taken_by`.
        reports: Names under which a delivery callback may be given.

    Raises:
        ConfigurationError: A subclass's method leaves no way to hand headers (or the callback) on.
    """
    taken = taken_by(kind, method, built_in)
    missing = [] if _has(taken, "headers") else ["headers"]
    if reports and not any(_has(taken, name) for name in reports):
        missing.append(reports[-1])
    if missing:
        raise ConfigurationError(
            f"{kind.__module__}.{kind.__qualname__}.{method} doesn't take {' and '.join(missing)}: let it "
            "take **named and hand that on to the client, or a message can't carry its ids"
        )
    return Shape(taken, reports)


def _has(taken: Taken, name: str) -> bool:
    return name in taken.names or name in taken.places


def put(
    arguments: tuple[Any, ...], named: dict[str, Any], place: int, name: str, value: Any
) -> tuple[Any, ...]:
    """Put a value in the place of an argument: where it was given, else by name.

    Args:
        arguments: What was given by position.
        named: What was given by keyword; changed.
        place: The argument's place, or `NOWHERE`.
        name: Its name.
        value: What to put there.

    Returns:
        What to give by position.
    """
    if place < len(arguments):
        return (*arguments[:place], value, *arguments[place + 1 :])
    named[name] = value
    return arguments


def given(arguments: tuple[Any, ...], named: Mapping[str, Any], place: int, name: str) -> Any:
    """What a call gives for an argument; None if it gives nothing."""
    return arguments[place] if place < len(arguments) else named.get(name)
