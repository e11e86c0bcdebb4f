"""AsyncAPI's own parser and EventCatalog's own linter, from npm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from documentkit import flowing
from servers import UnavailableError, asyncapi_parsed, eventcatalog_linted, servers_required
from waiting import scaled


def _asked(ask: Callable[[Path, float], Any], path: Path) -> Any:
    try:
        return ask(path, scaled(1))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a collector that has read the shop's events."""
    with flowing(tmp_path_factory.mktemp("shop")) as url:
        yield url


@pytest.fixture
def parsed() -> Callable[[Path], dict[str, Any]]:
    """What AsyncAPI's parser makes of a document; it must find no error in it."""

    def ask(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = _asked(asyncapi_parsed, path)
        # That there is a newer version of AsyncAPI is no mistake of the document's.
        problems = [item for item in found["problems"] if item["code"] != "asyncapi-latest-version"]
        assert problems == []
        return found

    return ask


@pytest.fixture
def linted() -> Callable[[Path], tuple[int, str]]:
    """The exit code of EventCatalog's linter, and what it says."""

    def ask(path: Path) -> tuple[int, str]:
        found: tuple[int, str] = _asked(eventcatalog_linted, path)
        return found

    return ask
