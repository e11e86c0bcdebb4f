"""What commands draw on terminals: a collector to ask, and terminals to look at."""

from screenkit._answers import (
    ANSWERS,
    GROUP_NAMES,
    IDS,
    PLACES,
    SAID,
    SERVICES,
    TOPIC_NAMES,
    TOPICS,
    TRAIL,
    TYPES,
    WORDS,
    asked,
    collector,
)
from screenkit._session import Session, session
from screenkit._terminal import on_a_terminal

__all__ = [
    "ANSWERS",
    "GROUP_NAMES",
    "IDS",
    "PLACES",
    "SAID",
    "SERVICES",
    "TOPICS",
    "TOPIC_NAMES",
    "TRAIL",
    "TYPES",
    "WORDS",
    "Session",
    "asked",
    "collector",
    "on_a_terminal",
    "session",
]
