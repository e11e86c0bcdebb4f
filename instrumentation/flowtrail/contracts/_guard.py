"""Where a running trail meets its contracts: calls them, and counts what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from flowtrail.contracts._payloads import Packed, Unpacked
from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts.folder import FolderSource
from flowtrail.errors import ContractError, DecodeError, EncodeError
from flowtrail.wire import Envelope
from flowtrail.wire.dataschema import version_in

_PLACES = {FolderSource: "folder", RegistrySource: "registry"}


class _Checks(Protocol):
    def pack(self, type: str, version: str | int | None, data: Any, wanted: str | None) -> Any: ...
    def unpack(
        self,
        type: str | None,
        version: str | int | None,
        content_type: str | None,
        value: bytes,
        wanted: str | None,
    ) -> Any: ...
    def read(
        self, type: str, version: str | int | None, data: Any, *, unpacked: bool
    ) -> tuple[Any, str | None]: ...
    def at_hand(self, type: str, version: str | int | None) -> bool: ...
    def fetched(self, type: str | None, version: str | int | None, value: bytes | None) -> bool: ...
    def fetch(self, type: str | None, version: str | int | None, value: bytes | None) -> None: ...
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

    __slots__ = ("_contracts", "_place", "_telemetry")

    def __init__(self, contracts: _Checks | None, telemetry: _Counts) -> None:
        self._contracts = contracts
        self._telemetry = telemetry
        source = getattr(contracts, "source", None)
        self._place = _PLACES.get(type(source))

    def at_hand(self, type: str | None, version: str | int | None, data: Any) -> bool:
        """Whether `publishing` doesn't have to wait for anybody."""
        if self._contracts is None or data is None or type is None:
            return True
        return self._contracts.at_hand(type, version)

    def publishing(
        self, topic: str, type: str | None, version: str | int | None, data: Any, wanted: str | None
    ) -> Packed | None:
        """Data is about to be published.

        Args:
            topic: For the metrics.
            type: Event type.
            version: Contract version.
            data: What it says.
            wanted: The format of the topic's codec, None for that of the contract.

        Returns:
            The payload, if the contract makes it; None leaves it to the codec.

        Raises:
            ContractError: It breaks its contract.
            EncodeError: There is no contract in the codec's format.
            RegistryUnavailableError: The contract can't be had.
        """
        if data is None:
            return None
        if self._contracts is None or type is None:
            if wanted in ("avro", "protobuf"):
                missing = "a type" if type is None and self._contracts is not None else "contracts"
                raise EncodeError(
                    f"{topic}: {wanted} can only be written with {missing}: Trail(contracts=...)"
                )
            return None
        try:
            packed: Packed | None = self._contracts.pack(type, version, data, wanted)
        except ContractError:
            self._telemetry.count_contract_violation(topic, type, "publish")
            raise
        if version is not None:
            self._telemetry.count_schema_version(type, str(version), "publish")
            self._count_deprecated(type, version, data, "publish")
        return packed

    def unpacking(
        self,
        type: str | None,
        dataschema: str | None,
        content_type: str | None,
        value: bytes,
        wanted: str | None,
    ) -> Unpacked | None:
        """What a payload holds that its contract has to read; None leaves it to the codec.

        Raises:
            DecodeError: It isn't what it should be, or its contract isn't known.
            RegistryUnavailableError: The contract can't be had; another attempt may help.
        """
        if self._contracts is None:
            return None
        unpacked: Unpacked | None = self._contracts.unpack(
            type, version_in(type, dataschema), content_type, value, wanted
        )
        return unpacked

    def reading(
        self,
        topic: str,
        envelope: Envelope,
        data: Any,
        unpacked: Unpacked | None = None,
    ) -> Any:
        """Data was decoded, by its contract if it is unpacked; hands back what the handler gets.

        As which version that is, the envelope says from now on.

        Raises:
            DecodeError: It breaks its contract.
            RegistryUnavailableError: The contract can't be had; another attempt may help.
        """
        type = envelope.type
        # A tombstone has no payload to decode: None is JSON's null here, which is data like any other.
        if self._contracts is None or type is None:
            envelope.read_as = ""
            return data
        version = version_in(type, envelope.dataschema) if unpacked is None else unpacked.version
        try:
            result, now = self._contracts.read(
                type, version, data, unpacked=unpacked is not None and unpacked.fits
            )
        except ContractError as error:
            self._telemetry.count_contract_violation(topic, type, "consume")
            raise DecodeError(str(error)) from error
        envelope.read_as, envelope.contracts = now or "", self._place
        if now is not None and version is not None:
            # Both come from a record, and labels need a bound.
            named = self._contracts.named(type, version)
            self._telemetry.count_schema_version(*named, "consume")
            self._count_deprecated(*named, data, "consume")
        return result

    def fetched(self, type: str | None, dataschema: str | None, value: bytes | None) -> bool:
        """Whether `unpacking` and `reading` don't have to wait for anybody."""
        return self._contracts is None or self._contracts.fetched(type, version_in(type, dataschema), value)

    def fetch(self, type: str | None, dataschema: str | None, value: bytes | None) -> None:
        """Wait for what `unpacking` and `reading` will need.

        Raises:
            RegistryUnavailableError: The contract can't be had; another attempt may help.
        """
        if self._contracts is not None:
            self._contracts.fetch(type, version_in(type, dataschema), value)

    def _count_deprecated(self, type: str, version: str | int, data: Any, side: str) -> None:
        if self._contracts is not None:
            for field in self._contracts.deprecated(type, version, data, side):
                self._telemetry.count_deprecation(type, str(version), field or "", side)
