"""What of ended sagas is kept, and how long: `--keep completed=1%,7d`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.units import parse_duration

__all__ = ["COMPLETED", "KINDS", "TROUBLED", "Kept", "parse_keep"]

COMPLETED, TROUBLED = "completed", "troubled"
KINDS = (COMPLETED, TROUBLED, "compensated", "failed", "timed_out")
"""How an instance ended; `troubled` is one that completed, and was late, in conflict or has a dead letter."""
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_EXAMPLE = "write for example completed=1%, completed=1%,7d or failed=90d"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one kind.

    Attributes:
        share: Of the instances, from 0 to 1.
        seconds: How long after its newest event a trail is kept whole; None for as long as everything else.
    """

    share: float = 1.0
    seconds: float | None = None


def parse_keep(texts: Iterable[str]) -> dict[str, Kept]:
    """What `--keep` says, by kind; what is said of a kind twice adds up.

    Raises:
        ConfigurationError: A text says nothing that can be done.
    """
    found: dict[str, Kept] = {}
    for text in texts:
        kind, sign, values = text.partition("=")
        kind = kind.strip()
        if not sign or kind not in KINDS:
            raise ConfigurationError(
                f"--keep {text!r}: what is kept is one of {', '.join(KINDS)}; {_EXAMPLE}"
            )
        for value in values.split(","):
            found[kind] = _with(text, kind, found.get(kind, Kept()), value.strip())
    return found


def _with(text: str, kind: str, known: Kept, value: str) -> Kept:
    if match := _SHARE.fullmatch(value):
        share = float(match[1]) / 100
        if share > 1:
            raise ConfigurationError(f"--keep {text!r}: a share is at most 100%")
        if share < 1 and kind != COMPLETED:
            raise ConfigurationError(
                f"--keep {text!r}: only of what completed a share can be kept; of {kind} say how long, such as"
                f" {kind}=90d"
            )
        return Kept(share, known.seconds)
    try:
        seconds = parse_duration(value)
    except ConfigurationError:
        raise ConfigurationError(
            f"--keep {text!r}: {value!r} is neither a share nor a time span; {_EXAMPLE}"
        ) from None
    if seconds <= 0:
        raise ConfigurationError(f"--keep {text!r}: a time span has to be longer than 0")
    return Kept(known.share, seconds)
