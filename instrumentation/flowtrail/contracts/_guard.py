"""Where a running trail meets its contracts: calls them, and counts what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from flowtrail.errors import ContractError, DecodeError


class _Checks(Protocol):
    def validate_publish(self, type: str, version: str | int | None, data: Any) -> None: ...
    def read(self, type: str, version: str | int | None, data: Any) -> tuple[Any, str | None]: ...
    def at_hand(self, type: str, version: str | int | None) -> bool: ...
    def fetched(self, type: str, version: str | int | None) -> bool: ...
    def fetch(self, type: str, version: str | int | None) -> None: ...
    def named(self, type: str, version: str | int) -> tuple[str, str]: ...
    def deprecated(self, type: str, version: str | int, data: Any, side: str) -> Sequence[str | None]: ...


class _Counts(Protocol):
    def count_contract_violation(self, topic: str, type: str | None, side: str) -> None: ...
    def count_schema_version(self, type: str, version: str | None, side: str) -> None: ...
    def count_deprecation(self, type: str, version: str, field: str, side: str) -> None: ...


class Guard:
    """Contracts with their metrics.

    Args:
        contracts: `Contracts`, or anything with its methods; None checks nothing and counts nothing.
        telemetry: Counts.
    """

    __slots__ = ("_contracts", "_telemetry")

    def __init__(self, contracts: _Checks | None, telemetry: _Counts) -> None:
        self._contracts = contracts
        self._telemetry = telemetry

    def at_hand(self, type: str | None, version: str | int | None, data: Any) -> bool:
        """Whether `publishing` doesn't have to wait for anybody."""
        if self._contracts is None or data is None or type is None:
            return True
        return self._contracts.at_hand(type, version)

    def publishing(self, topic: str, type: str | None, version: str | int | None, data: Any) -> None:
        """Data is about to be published.

        Raises:
            ContractError: It breaks its contract.
            RegistryUnavailableError: The contract can't be had.
        """
        if self._contracts is None or data is None or type is None:
            return
        try:
            self._contracts.validate_publish(type, version, data)
        except ContractError:
            self._telemetry.count_contract_violation(topic, type, "publish")
            raise
        if version is not None:
            self._telemetry.count_schema_version(type, str(version), "publish")
            self._count_deprecated(type, version, data, "publish")

    def reading(self, topic: str, type: str | None, dataschema: str | None, data: Any) -> Any:
        """Data was decoded; hands back what the handler gets.

        Raises:
            DecodeError: It breaks its contract.
            RegistryUnavailableError: The contract can't be had; another attempt may help.
        """
        if self._contracts is None or data is None or type is None:
            return data
        version = version_in(type, dataschema)
        try:
            result, now = self._contracts.read(type, version, data)
        except ContractError as error:
            self._telemetry.count_contract_violation(topic, type, "consume")
            raise DecodeError(str(error)) from error
        if now is not None and version is not None:
            # Both come from a record, and labels need a bound.
            named = self._contracts.named(type, version)
            self._telemetry.count_schema_version(*named, "consume")
            self._count_deprecated(*named, data, "consume")
        return result

    def fetched(self, type: str | None, dataschema: str | None) -> bool:
        """Whether `reading` doesn't have to wait for anybody."""
        if self._contracts is None or type is None:
            return True
        return self._contracts.fetched(type, version_in(type, dataschema))

    def fetch(self, type: str | None, dataschema: str | None) -> None:
        """Wait for what `reading` will need.

        Raises:
            RegistryUnavailableError: The contract can't be had; another attempt may help.
        """
        if self._contracts is not None and type is not None:
            self._contracts.fetch(type, version_in(type, dataschema))

    def _count_deprecated(self, type: str, version: str | int, data: Any, side: str) -> None:
        if self._contracts is not None:
            for field in self._contracts.deprecated(type, version, data, side):
                self._telemetry.count_deprecation(type, str(version), field or "", side)


def version_in(type: str, dataschema: str | None) -> str | None:
    """The version in `Type/Version`, None if the event names none or another type's."""
    if dataschema is None:
        return None
    name, _, version = dataschema.rpartition("/")
    return version if name == type else None
