"""A collector that has read the shop's events, and who judges documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import documentkit


@pytest.fixture(scope="module")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a collector that has read the shop's events."""
    with documentkit.flowing(tmp_path_factory.mktemp("shop")) as url:
        yield url


@pytest.fixture
def parsed() -> Callable[[Path], dict[str, Any]]:
    """See `documentkit.parsed`."""
    return documentkit.parsed


@pytest.fixture
def linted() -> Callable[[Path], tuple[int, str]]:
    """See `documentkit.linted`."""
    return documentkit.linted
