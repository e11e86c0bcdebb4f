"""Compares what a document declares with what flows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from flowtrail.contracts import Change, Definition, SchemaError, compare
from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.documents.asyncapi.declared import Channel, Declared, Message, Operation
from flowtrail_collector.documents.asyncapi.files import Files
from flowtrail_collector.documents.asyncapi.mistakes import Place
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.landscape import Landscape, Received, Sent
from flowtrail_collector.documents.schemas import as_documents_have_it, comparable, defined

__all__ = ["Drift", "Finding", "OwnerError", "compared", "owner_of"]

UNDECLARED_TYPE = "undeclared-type"
UNDECLARED_PUBLISHER = "undeclared-publisher"
UNDECLARED_READER = "undeclared-reader"
UNSEEN = "unseen"
SCHEMA_DRIFT = "schema-drift"

Drift = str


class OwnerError(Exception):
    """Nobody can tell whose document it is; `services` are those that are known."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__("whose document it is can't be told")
        self.services = services


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between document and reality.

    Attributes:
        kind: Which kind.
        place: Where in the document it belongs to.
        message: What differs, in words.
        topic: As its broker calls it.
        type: Of the event.
        version: Of its contract, if the finding is about one.
        service: Who sends or reads.
        last: When it was seen last, RFC 3339 in UTC.
        change: Of a schema, field and rule.
    """

    kind: Drift
    place: Place
    message: str
    topic: str
    type: str | None = None
    version: str | None = None
    service: str | None = None
    last: str | None = None
    change: Change | None = None


def owner_of(declared: Declared, landscape: Landscape, service: str | None) -> str | None:
    """Whose document it is: the service that is named, else the one that its title names; None: everybody's.

    Raises:
        OwnerError: It has operations that name no service, and nobody says whose they are; or the service that is named
            is neither in the document nor known.
    """
    named = {operation.service for operation in declared.operations}
    if service is not None:
        if service not in named and None not in named and service not in landscape.services:
            raise OwnerError(landscape.services)
        return service
    if all(operation.service is not None for operation in declared.operations):
        owners = {operation.service for operation in declared.operations}
        return owners.pop() if len(owners) == 1 else None
    words = set(_plain(declared.title).split())
    close = [name for name in landscape.services if set(_plain(name).split()) <= words]
    if len(close) != 1:
        raise OwnerError(landscape.services)
    return close[0]


def compared(
    declared: Declared,
    landscape: Landscape,
    contracts: Known,
    *,
    owner: str | None,
    since: str,
    today: date,
) -> list[Finding]:
    """All differences, in the order of the document.

    Args:
        declared: The document.
        landscape: What flows.
        contracts: The contracts of what flows; without any, schemas aren't compared.
        owner: Whose document it is: only what this service sends and reads has to be in it. None: everybody's.
        since: What wasn't seen since then counts as not seen, RFC 3339 in UTC.
        today: Decides whether periods of deprecation are over.
    """
    found = _Comparison(declared, landscape, contracts, owner, since, today)
    findings = [*found.undeclared_types(), *found.undeclared_readers(), *found.unseen(), *found.drifted()]
    return sorted(findings, key=lambda item: (item.place, item.kind, item.message))


@dataclass
class _Comparison:
    declared: Declared
    landscape: Landscape
    contracts: Known
    owner: str | None
    since: str
    today: date

    @cached_property
    def channels(self) -> dict[str, Channel]:
        """By address; several channels of one address are one."""
        found: dict[str, Channel] = {}
        for channel in self.declared.channels:
            known = found.get(channel.address, channel)
            messages = channel.messages if known is channel else (*known.messages, *channel.messages)
            found[channel.address] = Channel(known.name, known.address, messages, known.place)
        return found

    def undeclared_types(self) -> Iterator[Finding]:
        newest: dict[tuple[str, str, str], Sent] = {}
        for row in self.landscape.sent:
            if (row.last or "") >= self.since and self._concerns(row.service):
                key = without_broker(row.topic), row.type, row.service
                if key not in newest or (newest[key].last or "") < (row.last or ""):
                    newest[key] = row
        for (address, type, service), row in newest.items():
            channel = self.channels.get(address)
            if channel is None or all(message.type != type for message in channel.messages):
                words = "on this channel" if channel else f"on {address}, a channel that isn't declared"
                message = f"{service} publishes {type} {words}; last seen {row.last}"
                yield self._about(UNDECLARED_TYPE, channel, message, address, type, service, row.last)
            elif not any(
                type in operation.types
                for operation in self._operations(address, sends=True)
                if self._service(operation) == service
            ):
                message = f"{service} publishes {type}, and no operation says so; last seen {row.last}"
                yield self._about(UNDECLARED_PUBLISHER, channel, message, address, type, service, row.last)

    def undeclared_readers(self) -> Iterator[Finding]:
        for row in self.landscape.received:
            if not self._concerns(row.service):
                continue
            address = without_broker(row.topic)
            channel = self.channels.get(address)
            own = [item for item in self._operations(address, sends=False) if self._reads(item, row)]
            who = row.service if row.group in (None, row.service) else f"{row.service} (group {row.group})"
            if not own:
                where = "this channel" if channel else f"{address}, a channel that isn't declared"
                message = f"{who} reads {where}, and no operation says so"
                yield self._about(UNDECLARED_READER, channel, message, address, None, row.service, row.last)
                continue
            said = frozenset(type for operation in own for type in operation.types)
            for type in sorted((row.types or frozenset()) - said):
                message = f"{who} reads {type}, and its operation doesn't say so"
                yield Finding(
                    UNDECLARED_READER, own[0].place, message, address, type, None, row.service, row.last
                )

    def unseen(self) -> Iterator[Finding]:
        for channel in self.declared.channels:
            for message in channel.messages:
                rows = self._rows(channel.address, message)
                last = max((row.last or "" for row in rows), default="")
                if last < self.since:
                    yield Finding(
                        UNSEEN, message.place,
                        f"{_named(message)} is declared on {channel.address}, and {self._when(last)}",
                        channel.address, message.type, message.version, None, last or None,
                    )  # fmt: skip
        if self.landscape.knows_groups:
            yield from self._unseen_readers()

    def _unseen_readers(self) -> Iterator[Finding]:
        for operation in self.declared.operations:
            if operation.sends:
                continue
            rows = [row for row in self.landscape.received if without_broker(row.topic) == operation.address]
            if not any(self._reads(operation, row) for row in rows):
                who = self._service(operation) or ", ".join(sorted(operation.groups))
                yield Finding(
                    UNSEEN, operation.place,
                    f"{who} is declared to read {operation.address}, and no group or service of that name does",
                    operation.address, None, None, who,
                )  # fmt: skip

    def _when(self, last: str) -> str:
        if last:
            return f"unseen since {last}"
        began = f" since {self.landscape.since}, when the collector saw the first event"
        return f"was never seen{began if self.landscape.since else ''}"

    def drifted(self) -> Iterator[Finding]:
        done: set[tuple[str, str | None, Place]] = set()
        for channel in self.declared.channels:
            yield from self._undeclared_versions(channel)
            for message in channel.messages:
                key = message.type, message.version, message.place
                if message.payload is not None and self.contracts and key not in done:
                    done.add(key)
                    yield from self._schema_drift(channel, message)

    def _undeclared_versions(self, channel: Channel) -> Iterator[Finding]:
        """Versions that flow beside those that are declared; a message without a version stands for all."""
        for type in sorted({message.type for message in channel.messages}):
            own = [message for message in channel.messages if message.type == type]
            said = {message.version for message in own}
            for row in self.landscape.sent:
                if None in said or row.type != type or without_broker(row.topic) != channel.address:
                    continue
                if row.version is not None and row.version not in said and (row.last or "") >= self.since:
                    known = ", ".join(sorted(version or "" for version in said))
                    message = f"{row.service} publishes {type} {row.version}; declared is {known}"
                    yield Finding(
                        SCHEMA_DRIFT, own[0].place, message, channel.address, type, row.version,
                        row.service, row.last,
                    )  # fmt: skip

    def _schema_drift(self, channel: Channel, message: Message) -> Iterator[Finding]:
        """The least of what differs from the contracts that may be meant: of the version, or of one that flows."""
        assert message.payload is not None
        try:
            name = str(message.payload.place)
            payload = defined(name, message.type, message.payload.format, message.payload.schema)
        except SchemaError as error:
            yield self._drift(
                channel, message, message.version, f"its payload can't be compared: {error}", None
            )
            return
        if payload is None:
            return
        differences: list[tuple[str | None, list[Change]]] = []
        for version, contract in self._contracts(message):
            differences.append((version, compare(payload, contract, today=self.today)))
        if not differences:
            return
        version, changes = min(differences, key=lambda item: len(item[1]))
        for change in changes:
            text = f"{change.field}: {change.rule} ({change.detail})"
            yield self._drift(channel, message, version, text, change)

    def _contracts(self, message: Message) -> Iterator[tuple[str | None, Definition]]:
        versions = [message.version]
        if message.version is None:
            versions = self.landscape.versions(message.type) or [None]
        for version in versions:
            contract = self.contracts.of(message.type, version)
            if contract is not None:
                yield version, _comparable(contract)

    def _drift(
        self, channel: Channel, message: Message, version: str | None, text: str, change: Change | None
    ) -> Finding:
        named = message.type if version is None else f"{message.type} {version}"
        place = message.payload.place if message.payload is not None else message.place
        return Finding(
            SCHEMA_DRIFT, place, f"{named}: {text}", channel.address, message.type, version, change=change
        )

    def _rows(self, address: str, message: Message) -> list[Sent]:
        return [
            row
            for row in self.landscape.sent
            if without_broker(row.topic) == address
            and row.type == message.type
            and message.version in (None, row.version)
        ]

    def _operations(self, address: str, *, sends: bool) -> list[Operation]:
        return [item for item in self.declared.operations if item.address == address and item.sends is sends]

    def _service(self, operation: Operation) -> str | None:
        return operation.service or self.owner

    def _reads(self, operation: Operation, row: Received) -> bool:
        if operation.groups and row.group is not None:
            return without_broker(row.group) in operation.groups
        return self._service(operation) == row.service

    def _concerns(self, service: str) -> bool:
        return self.owner is None or service == self.owner

    def _about(
        self, kind: Drift, channel: Channel | None, message: str, address: str, type: str | None,
        service: str, last: str | None,
    ) -> Finding:  # fmt: skip
        place = channel.place if channel is not None else self.declared.channels_place
        return Finding(kind, place, message, address, type, None, service, last)


def _comparable(contract: Definition) -> Definition:
    """A contract as a document has it: with what it refers to in place, of a JSON Schema in itself, too."""
    if contract.format != "json":
        return comparable(contract)
    files = Files(Path("contract"), as_documents_have_it(json.loads(contract.text)))
    return defined("contract", "", None, files.plain(files.root)) or contract


def _named(message: Message) -> str:
    return message.type if message.version is None else f"{message.type} {message.version}"


def _plain(text: str) -> str:
    return "".join(char if char.isalnum() else " " for char in text.lower())
