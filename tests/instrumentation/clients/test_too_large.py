"""What was refused for its size is told from other refusals, however the error is wrapped."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flowtrail.clients import TooLargeError, has_too_large_headers, is_too_large
from flowtrail.clients._port import HeadersTooLargeError
from flowtrail.errors import PublishError


def wrapped(*errors: BaseException) -> BaseException:
    """The first of these, raised from the next one, and so on."""
    for above, below in pairwise(errors):
        above.__cause__ = below
    return errors[0]


def its_own_cause(error: BaseException) -> BaseException:
    error.__cause__ = error
    return error


CASES: list[tuple[str, BaseException | None, bool, bool]] = [
    ("none", None, False, False),
    ("another", ValueError(), False, False),
    ("value", TooLargeError(), True, False),
    ("value below", wrapped(PublishError("no", topic="t"), TooLargeError()), True, False),
    ("headers", HeadersTooLargeError(), True, True),
    ("headers below", wrapped(PublishError("no", topic="t"), HeadersTooLargeError()), True, True),
    ("its own cause", its_own_cause(ValueError()), False, False),
    ("value that is its own cause", its_own_cause(TooLargeError()), True, False),
    ("a circle", wrapped(first := ValueError(), KeyError(), first), False, False),
]


@pytest.mark.parametrize(
    ("error", "large", "headers"), [each[1:] for each in CASES], ids=[c[0] for c in CASES]
)
@pytest.mark.timeout(20)
def test_what_was_too_large(error: BaseException | None, large: bool, headers: bool) -> None:
    assert is_too_large(error) == large
    assert has_too_large_headers(error) == headers
