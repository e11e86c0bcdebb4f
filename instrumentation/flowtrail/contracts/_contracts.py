"""What a trail knows about the data of its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from flowtrail.contracts._deprecations import Deprecation, Deprecations, used
from flowtrail.contracts._errors import ContractNotFoundError, RegistryUnavailableError, SchemaError
from flowtrail.contracts._format import Definition
from flowtrail.contracts._keeping import hold, kept, upcast
from flowtrail.contracts._payloads import Packed, Payloads, Unpacked
from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts._shelf import Shelf
from flowtrail.contracts._shelf import number_of as _number
from flowtrail.contracts._source import Source
from flowtrail.contracts._steps import check_read_as, check_versions
from flowtrail.contracts._values import Written, plain
from flowtrail.contracts.folder import FolderSource
from flowtrail.errors import ConfigurationError, ContractError, EncodeError

Upcast = Callable[[Any], Any]
U = TypeVar("U", bound=Upcast)


class Contracts:
    """Checks what is published, and brings what is read to the newest version that can be reached.

    Args:
        source: Where schemas come from.
        strict: Types without any contract are refused when publishing; otherwise they pass.
        read_as: The version that handlers want, by type; default: the newest that upcasting reaches.
        on_deprecation: Called for every use of something deprecated; it is logged once each anyway.
        framing: How payloads say which contract they are: `confluent`, the registry's id in front;
            `cloudevents`, the header `ce_dataschema` alone. Default: the id for Avro and Protobuf of a
            registry. Both are read.

    Raises:
        ConfigurationError: `framing` is another, there is no registry for `confluent`, or a version to read as
            isn't a whole number or isn't there.
    """

    def __init__(
        self,
        source: Source,
        *,
        strict: bool = False,
        read_as: Mapping[str, int] | None = None,
        on_deprecation: Callable[[Deprecation], None] | None = None,
        framing: str | None = None,
    ) -> None:
        self.source = source
        self._strict = strict
        self._read_as = check_read_as(source, read_as or {})
        self._deprecations = Deprecations(on_deprecation)
        self._upcasts: dict[tuple[str, int], tuple[int, Upcast]] = {}
        self._shelf = Shelf(source)
        self._payloads = Payloads(self._shelf, framing)
        self._fetched: set[tuple[str, int]] = set()

    @classmethod
    def from_folder(cls, path: str | Path, **settings: Any) -> Contracts:
        """Contracts of a folder, `TYPE/VERSION.json`; the settings are those of the class.

        Raises:
            MissingExtraError: jsonschema isn't installed.
            SchemaError: A file is no contract.
        """
        return cls(FolderSource(path), **settings)

    @classmethod
    def from_registry(
        cls, url: str, *, registry: Mapping[str, Any] | None = None, **settings: Any
    ) -> Contracts:
        """Contracts of a Confluent-compatible registry.

        Args:
            url: The registry.
            registry: Arguments of `RegistrySource`, e.g. `subject`, `types`, `timeout_seconds`.
            settings: Those of the class.

        Raises:
            ConfigurationError: A wrong URL or argument, or (`MissingExtraError`) the client isn't installed.
        """
        return cls(RegistrySource.of(url, registry or {}), **settings)

    def upcaster(self, type: str, old: int, new: int) -> Callable[[U], U]:
        """Register a function that makes data of version `new` from data of version `old`.

        It may change the data it is given. Upcasters chain, 1 -> 2 -> 3; from one version there is one way.
        A registry isn't asked whether it has these versions: it may get them later.

        Raises:
            ConfigurationError: `new` isn't newer, one of them isn't a whole number or isn't there, or there is an
                upcaster from `old` already.
        """
        check_versions(self.source, type, old, new)
        if (type, old) in self._upcasts:
            raise ConfigurationError(f"{type}: there is an upcaster from version {old} already")

        def register(function: U) -> U:
            self._upcasts[type, old] = (new, function)
            self._fetched.clear()
            return function

        return register

    def validate_publish(self, type: str, version: str | int | None, data: Any) -> None:
        """Check data against its contract; fields that the contract doesn't declare are refused.

        Raises:
            ContractError: The data breaks its contract; names field and rule, never a value.
            ContractNotFoundError: The type has no such version, or the event names none.
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        found = self._own(type, version)
        if found is None:
            return
        number, contract = found
        kept(type, number, lambda: contract.encode(data))
        self._note(type, number, contract, data, "publish")

    def pack(
        self, type: str, version: str | int | None, data: Any, wanted: str | None = None
    ) -> Packed | None:
        """Check data against its contract, and write it if that is the contract's to do.

        Args:
            type: Event type.
            version: Of the contract.
            data: What is to be published.
            wanted: The format of the topic's codec; None takes the contract's.

        Returns:
            The payload; None if the codec writes it.

        Raises:
            ContractError: See `validate_publish`.
            EncodeError: The codec's format needs a contract of that format.
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        found = self._own(type, version)
        if found is None:
            if wanted in ("avro", "protobuf"):
                raise EncodeError(f"{type} has no contract, and {wanted} can only be written with one")
            return None
        number, contract = found
        packed = kept(type, number, lambda: self._payloads.pack(type, number, contract, data, wanted))
        if packed is None:
            kept(type, number, lambda: hold(contract.broken_writing(data)))
        self._note(type, number, contract, data, "publish")
        return packed

    def unpack(
        self,
        type: str | None,
        version: str | int | None,
        content_type: str | None,
        value: bytes,
        wanted: str | None = None,
    ) -> Unpacked | None:
        """What a payload holds, read by the contract it was written with; None if the codec reads it.

        Args:
            type: Event type, if the event has one.
            version: As `ce_dataschema` has it.
            content_type: As the record has it.
            value: The payload.
            wanted: The format of the topic's codec, for records that don't say what they hold.

        Raises:
            DecodeError: It isn't what it should be, or its contract isn't known.
            RegistryUnavailableError: The registry is away and the contract isn't cached.
            SchemaError: Its contract can't be used.
        """
        return self._payloads.unpack(type, version, content_type, value, wanted)

    def at_hand(self, type: str, version: str | int | None) -> bool:
        """Whether data to be published can be checked at once, without asking a registry."""
        if not isinstance(self.source, RegistrySource):
            return True
        # A second before `_own` would ask: what is at hand stays so until then.
        self.source.look_again(type, _number(version), seconds=2.0)
        return self.source.at_hand(type, _number(version))

    def read(
        self, type: str, version: str | int | None, data: Any, *, unpacked: bool = False
    ) -> tuple[Any, str | None]:
        """Bring data to the version that handlers want: defaults filled in, upcast, unknown fields kept.

        Data of an unknown type, or without a version, is returned as it is. A version newer than any
        known one is read as the newest known.

        Args:
            type: Event type.
            version: Of the contract that the data was written with.
            data: Decoded. As `unpack` hands it out, it knows which types of Avro's unions it was written as.
            unpacked: It was read by that very contract, so it fits.

        Returns:
            Data and the version it has now. The data handed in may have been changed by an upcaster.

        Raises:
            ContractError: The data doesn't fit its own version, or an upcaster failed.
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        number = _number(version)
        if number is None:
            return plain(data), None if version is None else str(version)
        found = self._shelf.nearest(type, number)
        if found is None:
            return plain(data), str(version)
        said, (number, contract) = number, found
        if not unpacked:
            data = self._accepted(type, number, contract, data, said)
        self._note(type, number, contract, data, "consume")
        while (step := self._step(type, number)) is not None:
            number, function = step
            newer = self._shelf.contract(type, number)
            if function is not None:
                data = upcast(type, number, function, plain(data))
            elif newer is not None:
                data = newer.adopted(data, contract)
            if newer is not None:
                # What was adopted with all that is known of it fits as it is.
                adopted = function is None and isinstance(data, Written)
                contract, data = newer, data if adopted else self._accepted(type, number, newer, data)
        return plain(data), str(number)

    def fetch(self, type: str | None, version: str | int | None, value: bytes | None = None) -> None:
        """Ask the registry for whatever `unpack` and `read` will need.

        Raises:
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        said = self._payloads.version_of(type, value)
        number = _number(version) if said is None else said
        if type is None or number is None:
            return
        found = self._shelf.nearest(type, number)
        at = None if found is None else found[0]
        while at is not None and (step := self._step(type, at)) is not None:
            at = step[0]
            self._shelf.contract(type, at)
        if found is not None and found[0] == number:
            self._fetched.add((type, number))

    def fetched(self, type: str | None, version: str | int | None, value: bytes | None = None) -> bool:
        """Whether an event can be read at once, without asking a registry."""
        if not isinstance(self.source, RegistrySource):
            return True
        if not self._payloads.at_hand(type, value):
            return False
        try:
            number = self._payloads.version_of(type, value) or _number(version)
        except (RegistryUnavailableError, SchemaError):
            return True  # asking fails at once
        return type is None or number is None or (type, number) in self._fetched

    def named(self, type: str, version: str | int) -> tuple[str, str]:
        """Type and version as far as a contract that was read has them, else `other`: labels with a bound."""
        number = _number(version)
        if number is not None and (type, number) in self._shelf.known:
            return type, str(number)
        return (type if type in self._shelf.types else "other"), "other"

    def deprecated(self, type: str, version: str | int, data: Any, side: str) -> Sequence[str | None]:
        """What data uses that its contract, once read, calls deprecated: fields; None is the whole version."""
        number = _number(version)
        contract = None if number is None else self._shelf.known.get((type, number))
        return () if contract is None else used(contract, data, side)

    def close(self) -> None:
        """Close the source's connections; what was fetched keeps working. Safe to call again."""
        if isinstance(self.source, RegistrySource):
            self.source.close()

    def _accepted(
        self, type: str, version: int, contract: Definition, data: Any, said: int | None = None
    ) -> Any:
        """Data with its defaults; `said` is the version that its event names, if it isn't this one."""
        broken = kept(type, version, lambda: contract.broken_reading(data))
        if broken and said not in (None, version):
            read_as = f"read as {version}, the newest that is known here"
            raise ContractError(type, str(said), [f"{read_as}: {line}" for line in broken])
        if broken:
            raise ContractError(type, str(version), broken)
        return contract.completed(data)

    def _step(self, type: str, version: int) -> tuple[int, Upcast | None] | None:
        """The next version on the way to the one wanted, and the function that leads there."""
        wanted = self._read_as.get(type)
        if wanted is not None and version >= wanted:
            return None
        if registered := self._upcasts.get((type, version)):
            return registered
        newer = next((known for known in self.source.versions(type) if known > version), None)
        if newer is None or not self._shelf.is_compatible(type, version, newer):
            return None
        return newer, None

    def _own(self, type: str, version: str | int | None) -> tuple[int, Definition] | None:
        """The contract that data is published under, None if its type has none and needs none."""
        number = _number(version)
        if isinstance(self.source, RegistrySource):
            self.source.look_again(type, number)
        contract = None if number is None else self._shelf.contract(type, number)
        if contract is not None and number is not None:
            return number, contract
        known = self.source.versions(type)
        if not known and not self._strict:
            return None
        has = f"the type has {', '.join(map(str, known))}" if known else "the type has no contract"
        said = "the event names no version" if version is None else f"there is no version {version}"
        raise ContractNotFoundError(type, None if number is None else str(number), [f"{said}; {has}"])

    def _note(self, type: str, version: int, contract: Definition, data: Any, side: str) -> None:
        for field in used(contract, data, side):
            self._deprecations.tell(Deprecation(type, version, field, side))
