"""How a value is written: JSON, Avro, Protobuf, text, or bytes that nobody can read."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowtrail.contracts import Definition
from flowtrail.errors import DecodeError, MissingExtraError
from flowtrail.wire import Header, is_structured, read_headers
from flowtrail.wire.dataschema import version_in
from flowtrail_collector.dead_letters.mending.json_text import NotJsonError, compact, parsed, pretty, visible
from flowtrail_collector.dead_letters.mending.native import BadValueError, from_json, to_json
from flowtrail_collector.dead_letters.mending.ports import Contracts
from flowtrail_collector.errors import ConfigurationError

__all__ = ["MAX_TEXT_BYTES", "MAX_VALUE_BYTES", "Form", "Shown", "form_of", "shown_text"]

MAX_VALUE_BYTES = 1_048_576
"""Larger values are neither shown nor edited."""
MAX_TEXT_BYTES = 4 * MAX_VALUE_BYTES
"""The text that a value is shown as, and edited as, can be longer: by indents, escapes, and names of fields."""
_MAX_INDENTED = 2 * MAX_VALUE_BYTES

_JSON, _TEXT, _BINARY = "json", "text", "binary"
_MAX_LINES = 5
_FRAME = 5
_NOT_IN_TEXT = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")


class Shown(NamedTuple):
    """A value as people read it.

    Attributes:
        text: JSON, indented where that isn't too long, the text itself, or Base64.
        encoding: `text` or `base64`.
        problem: Why it isn't decoded, None if it is.
    """

    text: str
    encoding: str = "text"
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written.

    Attributes:
        kind: `json`, `avro`, `protobuf`, `text` or `binary`.
        prefix: What stands before its data: a registry's id.
        contract: What it is checked by, None if nothing is known.
        contract_name: What people call that: `schema 7`, `OrderPlaced/2`.
        problem: Why it can't be read, of `binary`.
    """

    kind: str
    prefix: bytes = b""
    contract: Definition | None = None
    contract_name: str | None = None
    problem: str | None = None

    @property
    def is_editable(self) -> bool:
        """Whether a text can be written this way."""
        return self.kind != _BINARY

    def shown(self, value: bytes | None) -> Shown:
        """A value as people read it."""
        if value is None:
            return Shown("", problem="the record has no value")
        if len(value) > MAX_VALUE_BYTES:
            return Shown(
                "", problem=f"its value has {len(value)} bytes: more than {MAX_VALUE_BYTES} aren't shown"
            )
        if not value.startswith(self.prefix) or self.kind == _BINARY:
            return _base64(value, self.problem or "it is neither JSON nor text, and names no schema")
        data = value[len(self.prefix) :]
        try:
            if self.kind in (_JSON, _TEXT):
                text = data.decode()
                if self.kind == _TEXT:
                    return Shown(text)
                parsed(text)
                return _bounded(visible(pretty(text, _MAX_INDENTED) or compact(text)), value)
            return _bounded(self._decoded(data), value)
        except UnicodeDecodeError:
            return _base64(value, "it isn't JSON: its bytes are no UTF-8")
        except NotJsonError as error:
            return Shown(text, problem=f"it {error}")
        except DecodeError as error:
            return _base64(value, f"{self.contract_name}: {error}")
        except (TypeError, RecursionError):
            return _base64(value, f"{self.contract_name}: it holds what JSON can't")

    def written(self, text: str) -> bytes:
        """The value that a text stands for, checked by its contract.

        Raises:
            ConfigurationError: It can't be written; names the fields, never what they hold.
        """
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise ConfigurationError("value: half of a surrogate pair can't be written") from None
        if len(encoded) > MAX_TEXT_BYTES:
            raise ConfigurationError(f"value: more than {MAX_TEXT_BYTES} bytes can't be edited here")
        if self.kind == _BINARY:
            raise ConfigurationError(f"value: {self.problem or 'it is neither JSON nor text'}: only key and headers"
                                     " can be edited")  # fmt: skip
        if self.kind == _TEXT:
            return encoded
        try:
            data = parsed(text)
            if self.kind == _JSON:
                self._check(data)
                return self.prefix + compact(text).encode()
            return self.prefix + self._encoded(from_json(data))
        except (NotJsonError, BadValueError) as error:
            raise ConfigurationError(f"value: {error}") from None

    def is_same(self, value: bytes | None, other: bytes) -> bool:
        """Whether a value says the same as another one that was written this way."""
        if value is None or value == other:
            return value == other
        one, two = self.shown(value), self.shown(other)
        return one.problem is None and one.encoding == "text" and one.text == two.text

    def keeps(self, value: bytes | None) -> bool:
        """Whether a value, written again as it is shown, holds all that it held: also what its schema doesn't know."""
        if value is None or self.contract is None or self.kind not in ("avro", "protobuf"):
            return True
        shown = self.shown(value)
        if shown.problem is not None:
            return True  # nothing of it is taken over
        again = self.written(shown.text)
        return len(again) >= len(value) and self.shown(again).text == shown.text

    def _decoded(self, data: bytes) -> str:
        if self.contract is None:
            raise DecodeError("it isn't known")
        text = json.dumps(to_json(self.contract.decode(data)), ensure_ascii=False)
        return visible(pretty(text, _MAX_INDENTED) or text)

    def _encoded(self, data: object) -> bytes:
        if self.contract is None:
            raise ConfigurationError("value: its contract isn't known")
        self._check(data)
        try:
            return self.contract.encode(data)
        except Exception as error:  # noqa: BLE001 - each format has its own
            raise ConfigurationError(f"value: {self.contract_name} can't write it: {error}") from None

    def _check(self, data: object) -> None:
        try:
            broken = [] if self.contract is None else self.contract.broken_writing(data)
        except MissingExtraError as error:
            raise ConfigurationError(f"value can't be checked by {self.contract_name}: {error}") from None
        if broken:
            more = f" and {len(broken) - _MAX_LINES} more" if len(broken) > _MAX_LINES else ""
            raise ConfigurationError(
                f"value breaks {self.contract_name}: {'; '.join(broken[:_MAX_LINES])}{more}"
            )


def form_of(value: bytes | None, headers: Sequence[Header], contracts: Contracts) -> Form:
    """How a record's value is written, going by its first bytes, its headers, and what it is."""
    if value is not None and value[:1] == b"\0" and len(value) >= _FRAME:
        return _framed(value, contracts)
    envelope = read_headers(headers)
    if is_structured(envelope):
        return Form(_JSON)  # a contract is about the data within, not about the whole
    media = (envelope.content_type or "").lower()
    version = version_in(envelope.type, envelope.dataschema)
    found: Definition | str | None = None
    name = None
    if envelope.type is not None and version is not None and version.isascii() and version.isdecimal():
        name = f"{envelope.type}/{version}"
        found = contracts.of(envelope.type, int(version[:9]))
    for kind in ("avro", "protobuf"):
        if kind in media:
            if isinstance(found, str) or found is None or found.format != kind:
                said = f"{name or 'its event type'}: no contract in {kind} is known for it"
                return Form(_BINARY, problem=found if isinstance(found, str) else said)
            return Form(kind, contract=found, contract_name=name)
    if "json" in media or _is_json(value) or value is None:
        contract = (
            found if found is not None and not isinstance(found, str) and found.format == _JSON else None
        )
        return Form(_JSON, contract=contract, contract_name=name if contract is not None else None)
    return Form(_TEXT if _is_text(value) else _BINARY)


def _bounded(text: str, value: bytes) -> Shown:
    """A value as this text; as Base64 if that is too long."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        return _base64(value, f"as text it has more than {MAX_TEXT_BYTES} bytes")
    return Shown(text)


def _base64(value: bytes, problem: str | None = None) -> Shown:
    """Bytes as Base64."""
    return Shown(b64encode(value).decode(), "base64", problem)


def shown_text(value: bytes | None) -> Shown | None:
    """Bytes of a key or a header as people read them."""
    if value is None:
        return None
    return Shown(value.decode()) if _is_text(value) else _base64(value)


def _framed(value: bytes, contracts: Contracts) -> Form:
    number = int.from_bytes(value[1:_FRAME], "big")
    found = contracts.by_id(number)
    if isinstance(found, str):
        return Form(_BINARY, problem=found)
    try:
        definition, data = found.unframed(value[_FRAME:])
    except DecodeError as error:
        return Form(_BINARY, problem=f"schema {number}: {error}")
    return Form(definition.format, value[: len(value) - len(data)], definition, f"schema {number}")


def _is_json(value: bytes | None) -> bool:
    if value is None or len(value) > MAX_VALUE_BYTES:
        return False
    try:
        parsed(value.decode())
    except (UnicodeDecodeError, NotJsonError):
        return False
    return True


def _is_text(value: bytes) -> bool:
    """UTF-8 without what only terminals and programs obey; what can't be seen is text as well."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return _NOT_IN_TEXT.search(text) is None
