"""Where the servers' files are kept, and how a missing tool is told."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / "build" / "servers"


class UnavailableError(Exception):
    """A server can't be had on this machine; the message is the reason, in one line."""


def servers_required() -> bool:
    """Whether a server that can't be had fails the tests (as in CI) instead of skipping them."""
    return os.environ.get("FLOWTRAIL_REQUIRE_SERVERS", "") not in ("", "0")


def tool(name: str) -> str:
    """The path of a program.

    Raises:
        UnavailableError: it isn't installed.
    """
    path = shutil.which(name)
    if path is None:
        raise UnavailableError(f"{name} is not installed")
    return path


@contextmanager
def cache_lock(name: str) -> Iterator[Path]:
    """Hold the machine-wide lock of one cached server while it is fetched, and hand back its folder.

    Several test runs may start at once; the second waits and then finds the folder filled.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE / name
