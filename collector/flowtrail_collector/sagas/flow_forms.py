"""Reads the forms of a step that know more of its events than their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from flowtrail_collector.events.sources import FromField, parse_path
from flowtrail_collector.sagas.model.fields import CountFrom, Field

__all__ = ["FlowForms"]


class _Wrong(Protocol):
    def __call__(self, parent: CommentedMap | CommentedSeq, key: Any, message: str) -> NoReturn: ...


class FlowForms:
    """Reads them from the body of a step.

    Args:
        wrong: Raises, naming the place of a key.
        known_keys: Checks the keys of a mapping.
        types: Reads the event types of a key.
    """

    def __init__(
        self,
        wrong: _Wrong,
        known_keys: Callable[[CommentedMap, Sequence[str], str], None],
        types: Callable[[CommentedMap, str], tuple[str, ...]],
    ) -> None:
        self._wrong = wrong
        self._known_keys = known_keys
        self._types = types

    def count(self, body: CommentedMap) -> CountFrom | None:
        """Which event says how often the step is to be done; None if `times` is a number, or isn't there."""
        value = body.get("times")
        if not isinstance(value, CommentedMap):
            return None
        self._known_keys(value, ("event", "field"), "'times'")
        if "event" not in value:
            self._wrong(body, "times", "'times' needs 'event': the event type that says how many it takes")
        return CountFrom(self._types(value, "event"), self._field(body, "times", value, counts=True))

    def of(self, body: CommentedMap) -> Field | None:
        """The id by which what is done is told from others of the step."""
        if "of" not in body:
            return None
        value = body["of"]
        if not isinstance(value, CommentedMap):
            self._wrong(body, "of", "'of' takes a field of the payload, such as {field: $.parcel}")
        self._known_keys(value, ("field",), "'of'")
        return self._field(body, "of", value)

    def _field(self, body: CommentedMap, key: str, value: CommentedMap, *, counts: bool = False) -> Field:
        """The place in the payload that the mapping `value` names in its key `field`."""
        if "field" not in value:
            self._wrong(body, key, f"'{key}' needs 'field': a place in the payload, such as $.parcel")
        text = value["field"]
        try:
            place = FromField(parse_path(text if isinstance(text, str) else ""))
        except ValueError:
            self._wrong(
                value, "field", "'field' takes a path such as $.order.id, $.lines[0].sku or $['odd name']"
            )
        return Field(f"#{text}" if counts else str(text), place, counts)
