"""What programs this machine has, and how a missing one is told."""

import os
import shutil


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
