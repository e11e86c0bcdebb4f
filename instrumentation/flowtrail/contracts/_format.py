"""The port behind which the formats of contracts sit: JSON Schema, Avro, Protobuf.

A format reads a contract's text once and hands out a `Definition`. That is all the rest knows: sources hand
definitions out, `Contracts` checks data with them and steps from version to version, payloads are made and
read by them, and two of one format can be compared. None of them asks which format it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

from flowtrail.contracts._change import Change
from flowtrail.contracts._errors import SchemaError

MAX_TEXT = 1_048_576
"""The longest text of a contract, in characters; more is refused before anything parses it."""
NO_REFERENCES: Mapping[str, str] = {}


class Reference(NamedTuple):
    """A text that a contract, or another such text, refers to.

    Attributes:
        name: By which it does: the path of an import, the full name of a type.
        text: As it was written.
        references: What it refers to itself.
    """

    name: str
    text: str
    references: Sequence[Reference]


def referred(
    name: str, needed: Mapping[str, Iterable[str]], texts: Mapping[str, str]
) -> Sequence[Reference] | None:
    """What a text refers to, None if two of all these texts refer to each other.

    Args:
        name: Of the text.
        needed: The names of what each text refers to.
        texts: Those that may be told.
    """
    known: dict[str, Sequence[Reference]] = {}  # each is made once, however many ways lead there
    around: set[str] = set()

    def of(at: str) -> Sequence[Reference]:
        if at not in known:
            around.add(at)
            parts = [each for each in needed.get(at, ()) if each != at]
            if not around.isdisjoint(parts):
                raise _CircleError
            known[at] = [Reference(each, texts[each], of(each)) for each in parts if each in texts]
            around.discard(at)
        return known[at]

    try:
        return of(name)
    except _CircleError:
        return None


class _CircleError(Exception):
    """Two texts refer to each other."""


class Definition(Protocol):
    """One contract, ready for use. It never changes, and never fetches anything.

    Attributes:
        format: The name of its format: `json`, `avro`, `protobuf`.
        text: As it was written.
        references: What the text refers to; None if that can't be told one after the other: then only `alone` can.
        alone: A text that means the same and needs no other, and in which nothing but the contract can be meant.
        deprecated: Whether the whole contract is.
        remove_after: Until when a deprecated contract has to stay, as it says itself.
        deprecated_fields: Paths of fields that are deprecated, through objects (not lists).
        frame_prefix: What stands between a registry's id and the data, in Confluent's wire format.
    """

    @property
    def format(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def references(self) -> Sequence[Reference] | None: ...
    @property
    def alone(self) -> str: ...
    @property
    def deprecated(self) -> bool: ...
    @property
    def remove_after(self) -> str | None: ...
    @property
    def deprecated_fields(self) -> Sequence[tuple[str, ...]]: ...

    @property
    def frame_prefix(self) -> bytes: ...

    def unframed(self, rest: bytes) -> tuple[Definition, bytes]:
        """What follows a registry's id: the definition it names (a message of the file), and the data.

        Raises:
            DecodeError: It names none.
        """

    def broken_writing(self, data: Any) -> list[str]:
        """Lines naming field and rule that data breaks for a publisher, never a value; empty if it's fine."""

    def broken_reading(self, data: Any) -> list[str]:
        """Likewise for a reader, who accepts fields that aren't declared."""

    def completed(self, data: Any) -> Any:
        """Data with the defaults of what is absent; the data handed in stays as it is."""

    def encode(self, data: Any) -> bytes:
        """Data that nothing is wrong with, as bytes.

        Raises:
            BrokenError: Something is wrong with it, as for `broken_writing`.
        """

    def decode(self, payload: bytes) -> Any:
        """Bytes that were written with this very contract, as data.

        Raises:
            DecodeError: They weren't.
        """

    def adopted(self, data: Any, written: Definition) -> Any:
        """Data of an older contract, which this one is compatible with, as data of this one."""


class Format(Protocol):
    """What is the same for all contracts of a format.

    Attributes:
        name: `json`, `avro` or `protobuf`.
        suffix: Of files: `OrderPlaced/2.avsc`.
        registry_type: What a registry calls it.
        content_type: What is written into the `content-type` header.
        media_types: What is understood there.
        names_itself: Whether data can be read without knowing which contract it was written with.
    """

    @property
    def name(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def registry_type(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def media_types(self) -> frozenset[str]: ...
    @property
    def names_itself(self) -> bool: ...

    def parse(
        self, name: str, text: str, type: str | None = None, references: Mapping[str, str] = NO_REFERENCES
    ) -> Definition:
        """Read a contract.

        Args:
            name: What messages call it: a file, or `OrderPlaced/2`.
            text: The contract.
            type: Event type that it is for.
            references: Texts that it refers to, by the names that it uses.

        Raises:
            MissingExtraError: The format's library isn't installed.
            SchemaError: It can't be used; one line says where and why.
        """

    def compare(self, old: Any, new: Any, *, today: date | None = None) -> list[Change]:
        """The changes from old to new that need a new version; empty if new may take old's place."""

    def same_bytes(self, old: Any, new: Any) -> bool:
        """Whether what was written under old can be read as if it was written under new.

        Only asked of a version that was changed in place: nothing then says which of the two it was.
        """


class BrokenError(Exception):
    """Data breaks its definition.

    Attributes:
        lines: Field and rule of each violation.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = list(lines)


def bounded(name: str, text: str) -> str:
    """The text of a contract, unless it is too long to be one.

    Raises:
        SchemaError: It is.
    """
    if len(text) > MAX_TEXT:
        raise SchemaError(
            f"{name}: {len(text):,} characters are too many; a contract has at most {MAX_TEXT:,}"
        )
    return text
