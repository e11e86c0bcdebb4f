"""How often, and when, a failed handler is tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowtrail._checks import check_number, check_seconds, check_whole
from flowtrail.errors import ConfigurationError

_random = random.Random()  # noqa: S311 - spreads retries out, guards nothing


def seed(value: int) -> None:
    """Make jitter come out the same each time, for tests."""
    _random.seed(value)


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy: exponential backoff with jitter.

    The n-th retry waits `initial_seconds * factor ** (n - 1)`, at most `max_seconds`, spread by `jitter`.
    A blocking retry holds up its partition, and no other, so that order is kept. With `topics` a failed
    message waits in a retry topic instead, while those behind it go on.

    Attributes:
        attempts: How often the handler is called in all, at least 1. With `topics` this follows from their
            number.
        initial_seconds: Wait before the second attempt.
        factor: Growth of the wait per attempt.
        max_seconds: Longest wait.
        jitter: Each wait is multiplied by a random number between `1 - jitter` and `1 + jitter`.
        retry_on: Only these exceptions are tried again.
        never_on: These never are, even if `retry_on` holds a base class.
        topics: Waits in seconds, one per retry topic; None retries in place.

    Raises:
        ConfigurationError: A value that makes no sense; says which.
    """

    attempts: int = 4
    initial_seconds: float = 0.1
    factor: float = 2.0
    max_seconds: float = 30.0
    jitter: float = 0.1
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    never_on: tuple[type[BaseException], ...] = ()
    topics: Sequence[float] | None = field(default=None)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_whole("Retry: attempts", self.attempts, 1)
        check_seconds("Retry: initial_seconds", self.initial_seconds)
        check_number("Retry: factor", self.factor, 1)
        check_seconds("Retry: max_seconds", self.max_seconds)
        check_number("Retry: jitter", self.jitter, 0, 1)
        if self.topics is not None:
            _check_waits(self.topics)
        for name in ("retry_on", "never_on"):
            if not _are_exceptions(kinds := getattr(self, name)):
                raise ConfigurationError(
                    f"Retry: {name} is {kinds!r}, should be classes of exceptions, in a tuple"
                )

    @property
    def max_attempts(self) -> int:
        """How often the handler is called in all."""
        return self.attempts if self.topics is None else len(self.topics) + 1

    def wait_seconds(self, attempt: int) -> float:
        """The wait after the given attempt has failed, from 1.

        With `topics` that is the wait of the retry topic it goes to.
        """
        if self.topics is not None:
            return self.topics[attempt - 1]
        # The exponent is capped: 2.0 ** 1100 overflows, and no wait grows that far.
        wait = min(self.initial_seconds * self.factor ** min(attempt - 1, 64), self.max_seconds)
        return wait * (1 + self.jitter * (2 * _random.random() - 1))

    def retries(self, error: BaseException, attempt: int) -> bool:
        """Whether there is another attempt after this one failed with this error."""
        if attempt >= self.max_attempts or isinstance(error, self.never_on):
            return False
        return isinstance(error, self.retry_on)


def _check_waits(waits: Any) -> None:
    if isinstance(waits, str | bytes) or not isinstance(waits, Sequence):
        raise ConfigurationError(f"Retry: topics is {waits!r:.100}, should be a list of waits in seconds")
    for wait in waits:
        check_seconds("Retry: a wait of topics", wait)


def _are_exceptions(kinds: object) -> bool:
    """Whether `isinstance` takes them; it would say so only when a handler has failed."""
    each = kinds if isinstance(kinds, tuple) else (kinds,)
    return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in each)


BACKOFF = Retry(attempts=2**31, initial_seconds=0.5, max_seconds=30)
"""How long to wait before trying again what a broker or a database didn't take."""
