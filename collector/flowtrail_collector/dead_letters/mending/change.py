"""What somebody wants changed of a dead letter: what is allowed, what really differs, how it is told."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.dead_letters.mending.difference import Changed, difference
from flowtrail_collector.dead_letters.mending.form import MAX_VALUE_BYTES, Form
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, REDRIVEN, DeadLetter
from flowtrail_collector.dead_letters.model.redrive import is_topic_name
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.ports import Outgoing
from flowtrail_collector.errors import ConfigurationError

__all__ = ["OWN", "Change", "check_change", "difference_of", "replacement_of", "why_unchangeable"]

OWN = "dlq."
"""How the headers begin that flowtrail writes about dead letters."""
_MAX_HEADERS = 50
_MAX_HEADER_NAME = 200


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants changed; what isn't named stays.

    Attributes:
        reason: Why.
        value: The new value as text, see `Form.written`; the text that is shown of the old one leaves it as it is.
        key: The new key in a list of its own; None for a record without a key.
        headers: New values by name; None takes a header away.
        to: A topic to send it to instead of its own.
    """

    reason: str
    value: str | None = None
    key: Sequence[str | None] = ()
    headers: Mapping[str, str | None] = field(default_factory=dict)
    to: str | None = None


def why_unchangeable(letter: DeadLetter) -> str | None:
    """Why nothing of a dead letter can be changed, in one line; None if it can."""
    if letter.topic.startswith(RABBITMQ):
        return "it is in a queue, which what is sent back leaves, so the original couldn't be kept: redrive it as it is"
    if letter.state not in (PENDING, QUARANTINED):
        again = (
            "; if what was sent failed again, that is a new dead letter" if letter.state == REDRIVEN else ""
        )
        return f"it is {letter.state}: only what is pending or quarantined can be edited{again}"
    return None


def check_change(letter: DeadLetter, change: Change) -> None:
    """Refuse what can't be changed.

    Raises:
        ConfigurationError: Says what and why, in one line.
    """
    reason = why_unchangeable(letter)
    if reason is not None:
        raise ConfigurationError(reason)
    if change.to is not None and not is_topic_name(change.to):
        raise ConfigurationError(f"{change.to!r} is not a topic that can be written to")
    if len(change.headers) > _MAX_HEADERS:
        raise ConfigurationError(f"headers: at most {_MAX_HEADERS} can be changed at a time")
    for name in change.headers:
        if not name or len(name) > _MAX_HEADER_NAME or not name.isprintable():
            raise ConfigurationError(f"headers: a name has 1 to {_MAX_HEADER_NAME} printable characters")
        if name.startswith(OWN):
            raise ConfigurationError(f"header {name}: flowtrail writes it, so it can't be edited")


def replacement_of(before: Outgoing, change: Change, form: Form) -> Replacement:
    """What of a change differs from the record as it is.

    Raises:
        ConfigurationError: It can't be written; names the field.
    """
    parts: dict[str, bytes | None] = {}
    if change.value is not None and (value := _new_value(before.value, change.value, form)) is not None:
        parts["value"] = value
    for text in change.key:
        key = None if text is None else _encoded("key", text)
        if key != before.key:
            parts["key"] = key
    headers: dict[str, bytes | None] = {}
    for name, text in change.headers.items():
        new = None if text is None else _encoded(f"header {name}", text)
        if [value for given, value in before.headers if given == name] != ([] if new is None else [new]):
            headers[name] = new
    return Replacement(parts, headers)


def _new_value(before: bytes | None, text: str, form: Form) -> bytes | None:
    """What a text makes of a value; None if that says the same."""
    if before is not None and len(before) > MAX_VALUE_BYTES:
        raise ConfigurationError(
            f"value: it has {len(before)} bytes: more than {MAX_VALUE_BYTES} are neither shown nor edited"
        )
    # Also what isn't decoded, and couldn't be written again, may come back as it was shown.
    if text == form.shown(before).text:
        return None
    value = form.written(text)
    if form.is_same(before, value):
        return None
    if not form.keeps(before):
        raise ConfigurationError(f"value: it holds more than {form.contract_name} knows, which would be lost")
    return value


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name}: half of a surrogate pair can't be written") from None


def difference_of(before: Outgoing, after: Outgoing, replacement: Replacement, form: Form) -> str:
    """What an edit changes, in lines."""
    parts = [Changed("key", _text(before.key), _text(after.key))]
    for name in replacement.headers:
        old, new = ([value for given, value in record.headers if given == name] for record in (before, after))
        parts.append(Changed(f"header {name}", _lines(old), _lines(new)))
    if "value" in replacement.parts:
        old_text, new_text = (
            None if value is None else form.shown(value).text for value in (before.value, after.value)
        )
        parts.append(Changed("value", old_text, new_text))
    return difference(parts)


def _lines(values: Sequence[bytes | None]) -> str | None:
    return (
        "\n".join("(null)" if value is None else _text(value) or "" for value in values) if values else None
    )


def _text(value: bytes | None) -> str | None:
    """Text with whatever is in it: those who look at it see marks for what can't be seen."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{b64encode(value).decode()} (Base64)"
