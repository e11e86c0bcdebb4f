"""Versions that a program names, checked where it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts._source import Source
from flowtrail.errors import ConfigurationError


def check_versions(source: Source, type: str, old: Any, new: Any) -> None:
    """The versions that an upcaster leads from and to.

    Raises:
        ConfigurationError: One isn't a whole number or isn't there, or the second isn't newer.
    """
    for version in (old, new):
        _check(source, "an upcaster", type, version)
    if new <= old:
        raise ConfigurationError(f"{type}: an upcaster leads to a newer version, not from {old} to {new}")


def check_read_as(source: Source, read_as: Mapping[str, int]) -> dict[str, int]:
    """The versions that are to be read, by type.

    Raises:
        ConfigurationError: One isn't a whole number or isn't there.
    """
    for type, version in read_as.items():
        _check(source, "read_as", type, version)
    return dict(read_as)


def _check(source: Source, what: str, type: str, version: Any) -> None:
    if not isinstance(version, int) or isinstance(version, bool):
        raise ConfigurationError(f"{type}: versions of {what} are whole numbers, such as 1, not {version!r}")
    if isinstance(source, RegistrySource):  # which may get it later
        return
    known = source.versions(type)
    if version not in known:
        has = f"the type has {', '.join(map(str, known))}" if known else "the type has no contract"
        raise ConfigurationError(f"{type}: {what} names version {version}, and {has}")
