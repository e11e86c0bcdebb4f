"""A number that makes no sense is refused where it is given, in one line that names it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from flowtrail import Retry, Trail
from flowtrail.clients._rabbitmq import Topology
from flowtrail.contracts import RegistrySource
from flowtrail.errors import ConfigurationError


def handled(**settings: Any) -> None:
    Trail("numbers").consumer("orders", **settings)(lambda event: None)


TAKERS: dict[str, tuple[Callable[[Any], Any], list[Any], list[Any]]] = {
    "attempts": (lambda value: Retry(attempts=value), [1, 50], [0, 2.5]),
    "initial_seconds": (lambda value: Retry(initial_seconds=value), [0, 0.5], [-1, 1e12]),
    "factor": (lambda value: Retry(factor=value), [1, 1.5], [0.5]),
    "max_seconds": (lambda value: Retry(max_seconds=value), [0, 60], [-0.1, 1e12]),
    "jitter": (lambda value: Retry(jitter=value), [0, 1], [-0.1, 1.1]),
    "topics": (lambda value: Retry(topics=[1, value]), [0, 3_600], [-1, 1e12]),
    "timeout": (lambda value: handled(timeout=value), [0.1, 30], [0, -1, 1e12]),
    "concurrency": (lambda value: handled(concurrency=value), [1, 8], [0, 1.5]),
    "batch": (lambda value: handled(batch=value), [1, 500], [0, 1.5]),
    "prefetch": (lambda value: Topology(prefetch=value), [1, 65_535], [0, 65_536, 1.5]),
    "timeout_seconds": (
        lambda value: RegistrySource("http://localhost:1", timeout_seconds=value), [0.1, 5], [-1, 1e12]
    ),
    "retry_seconds": (
        lambda value: RegistrySource("http://localhost:1", retry_seconds=value), [0, 5], [-1, 1e12]
    ),
}  # fmt: skip
NO_NUMBERS = [math.nan, math.inf, -math.inf, True, "3", "soon", [3], b"3", 1j]


@pytest.mark.parametrize("name", TAKERS)
def test_what_makes_no_sense_is_refused(name: str) -> None:
    take, good, bad = TAKERS[name]
    for value in good:
        take(value)
    for value in [*bad, *NO_NUMBERS]:
        with pytest.raises(ConfigurationError) as refused:
            take(value)
        said = str(refused.value)
        assert said.startswith((name, f"Retry: {name}", f"Retry: a wait of {name}")), value
        assert " should be a " in said, value


@pytest.mark.parametrize("waits", ["10", b"10", 5, {1, 2}, (wait for wait in (1, 2))])
def test_waits_of_retry_topics_are_a_list(waits: Any) -> None:
    with pytest.raises(ConfigurationError, match="should be a list of waits in seconds"):
        Retry(topics=waits)
