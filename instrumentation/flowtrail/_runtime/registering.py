"""What can be known of a handler where it is registered, and is refused there instead of going wrong later."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal

from flowtrail._checks import check_seconds
from flowtrail.clients import BrokerKind, NameRule
from flowtrail.errors import ConfigurationError
from flowtrail.wire import Record
from flowtrail.wire.dead_letters import dead_letter_topic
from flowtrail.wire.retry_topics import retry_topic

HEADERS_ONLY: Literal["headers-only"] = "headers-only"

Oversize = Literal["headers-only"] | Callable[[Record], bytes]
"""What a dead letter carries in place of a value that is too large: nothing, or what a function returns."""


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether calling it only makes a coroutine; also for partials and objects with `async def __call__`."""
    return inspect.iscoroutinefunction(_called(function))


def check_function(function: Callable[..., Any]) -> None:
    """Refuse what can't be a handler.

    Raises:
        ConfigurationError: It can't be called, or calling it would run nothing of it.
    """
    name = getattr(function, "__qualname__", repr(function))
    if not callable(function):
        raise ConfigurationError(f"{name} can't be called: decorate a function")
    called = _called(function)
    is_generator = inspect.isgeneratorfunction(called)
    if is_generator and not called.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        raise ConfigurationError(f"{name} is a generator, which runs only when iterated over: {_USE}")
    if inspect.isasyncgenfunction(called):
        raise ConfigurationError(f"{name} is an async generator, which runs only when iterated over: {_USE}")


_USE = "a handler is a function or coroutine function without yield"


def _called(function: Any) -> Any:
    """The function whose code runs first: behind partials and methods, and of an object its `__call__`."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isroutine(function) or inspect.isclass(function):
            return function
        else:
            call = getattr(type(function), "__call__", None)  # noqa: B004 - its kind matters
            if not inspect.isfunction(call):
                return function
            function = call


def check_limits(timeout: float | None, oversize: Any) -> None:
    """Refuse limits that make no sense.

    Raises:
        ConfigurationError: Says which.
    """
    if timeout is not None:
        check_seconds("timeout", timeout, above_zero=True)
    if oversize != HEADERS_ONLY and not callable(oversize):
        raise ConfigurationError(f"oversize is {oversize!r}, should be {HEADERS_ONLY!r} or a function")


def check_names(kind: BrokerKind, topic: str, group: str, dead_letter: bool | str, retry_topics: int) -> None:
    """Refuse names that the broker would refuse when the first handler fails.

    Args:
        kind: The broker.
        topic: What the handler listens to.
        group: Its group.
        dead_letter: As in `Trail.consumer`.
        retry_topics: How many retry topics it has.

    Raises:
        ConfigurationError: Says which name, and what to do.
    """
    _check(kind, kind.topics, topic, f"topic {topic!r}", "choose another topic")
    queue = kind.queue_of(topic, group)
    if queue:
        what = f"queue {queue!r} of group {group!r}"
        _check(
            kind,
            kind.own_topics,
            queue,
            what,
            "give the handler another group=, or set queue in client_settings",
        )
    for attempt in range(1, retry_topics + 1):
        retry = retry_topic(topic, group, attempt)
        _check(
            kind,
            kind.own_topics,
            retry,
            f"retry topic {retry!r} of group {group!r}",
            "give the handler another group=",
        )
    if dead_letter is False:
        return
    letters = dead_letter_topic(topic, group, dead_letter)
    what = f"dead letter topic {letters!r} of group {group!r}"
    remedy = "give the handler another group=, or dead_letter= a topic's name or False"
    _check(kind, kind.own_topics, letters, what, remedy)
    if letters == topic:
        raise ConfigurationError(
            f"the {what} is the topic that the handler listens to: what fails would come back forever"
        )


def check_types(kind: BrokerKind, types: Collection[str]) -> None:
    """Refuse event types by which the broker can't route.

    Args:
        kind: The broker.
        types: What a handler takes.

    Raises:
        ConfigurationError: Says which type.
    """
    most = kind.longest_type
    for type in types:
        if most is not None and len(type.encode("utf-8", "replace")) > most:
            raise ConfigurationError(
                f"{kind.name} routes by event types of at most {most} bytes: choose a shorter type than {type[:60]!r}..."
            )


def _check(kind: BrokerKind, rule: NameRule, name: str, what: str, remedy: str) -> None:
    why = rule.objection(name)
    if why is not None:
        raise ConfigurationError(f"{kind.name} doesn't allow the {what} ({why}): {remedy}")
