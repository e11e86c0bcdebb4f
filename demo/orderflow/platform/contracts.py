"""The contracts of all events: the published language that the contexts share, each in its own format."""

from __future__ import annotations

from pathlib import Path

from flowtrail.contracts import Contracts

FOLDER = Path(__file__).parents[1] / "contracts"


def contracts() -> Contracts:
    """The contracts, strict: what has none isn't published."""
    return Contracts.from_folder(FOLDER, strict=True)
