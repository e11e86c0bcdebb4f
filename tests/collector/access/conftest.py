"""A provider that a test decides about."""

from __future__ import annotations

import pytest
from joserfc.jwk import Key

from accesskit.issuer import Issuer


@pytest.fixture(scope="module")
def keys() -> dict[str, Key]:
    """Making keys takes long."""
    return Issuer().keys


@pytest.fixture
def issuer(keys: dict[str, Key]) -> Issuer:
    """A provider of one's own."""
    return Issuer(keys)
