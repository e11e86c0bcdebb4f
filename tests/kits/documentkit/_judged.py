"""What AsyncAPI's own parser and EventCatalog's own linter, from npm, say; a test that needs them skips without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers import UnavailableError, asyncapi_parsed, eventcatalog_linted, servers_required
from waiting import scaled


def parsed(path: Path) -> dict[str, Any]:
    """What AsyncAPI's parser makes of a document; it must find no error in it."""
    found: dict[str, Any] = _asked(asyncapi_parsed, path)
    # That there is a newer version of AsyncAPI is no mistake of the document's.
    problems = [item for item in found["problems"] if item["code"] != "asyncapi-latest-version"]
    assert problems == []
    return found


def linted(path: Path) -> tuple[int, str]:
    """The exit code of EventCatalog's linter, and what it says."""
    found: tuple[int, str] = _asked(eventcatalog_linted, path)
    return found


def _asked(ask: Callable[[Path, float], Any], path: Path) -> Any:
    try:
        return ask(path, scaled(1))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
