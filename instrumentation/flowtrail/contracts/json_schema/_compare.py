"""Whether a contract may change in this way: pure functions over two schemas.

Allowed without a new version: a new field that is optional and has a default; removing a field that was
optional and deprecated, once its period is over; annotations. Everything else is a break, be it for readers
of old data or for readers that don't know the new schema yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from flowtrail.contracts._change import BACKWARD, BOTH, FORWARD, REMOVE_AFTER, Change, too_early
from flowtrail.contracts._change import short as _short
from flowtrail.contracts._walks import Walk
from flowtrail.contracts.json_schema._filling import Filling
from flowtrail.contracts.json_schema._forms import Forms
from flowtrail.contracts.json_schema._rules import IN_PLACE, is_old_draft, target, tolerant
from flowtrail.contracts.json_schema._texts import TooSlowError, found_in
from flowtrail.contracts.json_schema._validator import checker
from flowtrail.contracts.json_schema.places import Schema

_ANNOTATIONS = frozenset({
    "$id", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly",
    REMOVE_AFTER, "$defs", "definitions",
})  # fmt: skip
_DESCENDED = frozenset({"properties", "required", "items", "default"})
_OPEN = ("additionalProperties", "unevaluatedProperties")
_ANYTHING = "anything"
# Beside these, a field filled in with its default may turn valid data into invalid data.
_WATCHING = (*IN_PLACE, "const", "enum", "dependentRequired", "propertyNames", "maxProperties",
             "patternProperties", "uniqueItems", "contains", "prefixItems")  # fmt: skip

_Visit: TypeAlias = tuple[int, int, bool]


# Whom a change hurts; what isn't named here hurts both sides, as far as anybody can prove.
_HURTS: Mapping[str, frozenset[str]] = {
    "new-field-needs-default": frozenset({BACKWARD}),
    "new-field-must-be-optional": frozenset({BACKWARD}),
    "became-required": frozenset({BACKWARD}),
    "became-optional": frozenset({FORWARD}),
    "required-field-removed": frozenset({FORWARD}),
    "removed-without-deprecation": frozenset(),
    "deprecation-period-not-over": frozenset(),
    "changed: default": frozenset(),
}


def _change(field: str, rule: str, detail: str) -> Change:
    return Change(field, rule, detail, _HURTS.get(rule, BOTH))


def compare(old: Schema, new: Schema, *, today: date | None = None) -> list[Change]:
    """The changes from old to new that need a new version; empty if new may take old's place.

    For data that may be published under old, an empty answer means: with new's defaults filled in, a reader
    of new accepts it.

    Args:
        old: The contract as it was.
        new: The contract as it is to be.
        today: Decides whether `x-remove-after` has passed; without it, that mark is taken as passed.
    """
    return list(_Comparison(old, new, today).compare(old, new, "", (), frozenset()))


@dataclass(frozen=True)
class _Comparison:
    old_root: Schema
    new_root: Schema
    today: date | None
    walk: Walk = field(default_factory=Walk)
    forms: Forms = field(default_factory=lambda: Forms(_ANNOTATIONS))
    slow: set[str] = field(default_factory=set)

    def compare(
        self, old: Any, new: Any, path: str, watchers: tuple[str, ...], seen: frozenset[_Visit]
    ) -> Iterator[Change]:
        outer_old, outer_new = old, new
        field = path or "(root)"
        if _extends(old) or _extends(new):
            if self.forms.of(self.old_root, old) != self.forms.of(self.new_root, new):
                yield _change(field, "changed: $ref", "a reference with further rules beside it changed")
            return
        old, new = target(self.old_root, old), target(self.new_root, new)
        visit = (id(old), id(new), bool(watchers))
        if not self.walk.enters(visit, seen):
            return
        if not isinstance(old, Mapping) or not isinstance(new, Mapping):
            if old != new:
                yield _change(field, "changed: schema", f"from {_short(old)} to {_short(new)}")
            return
        seen |= {visit}
        watchers = (*watchers, *(keyword for keyword in _WATCHING if keyword in old or keyword in new))
        yield from self._keywords(old, new, field)
        yield from self._default(outer_old, outer_new, old, new, field)
        yield from self._properties(old, new, path, watchers, seen)
        if "items" in old and "items" in new:
            yield from self._items(old["items"], new["items"], path, watchers, seen)
        elif "items" in old or "items" in new:
            yield _change(field, "changed: items", "the elements' schema was added or removed")

    def _keywords(self, old: Schema, new: Schema, field: str) -> Iterator[Change]:
        for keyword in sorted({*old, *new} - _ANNOTATIONS - _DESCENDED):
            before, after = old.get(keyword), new.get(keyword)
            if keyword in _OPEN:
                # Absent and false are the same for a contract: closed for writers, open for readers.
                before, after = before or False, after or False
            if keyword == "$schema":
                before, after = _dialect(before), _dialect(after)
            forms = (
                self.forms.of_keyword(root, keyword, value)
                for root, value in ((self.old_root, before), (self.new_root, after))
            )
            if len({*forms}) > 1:
                yield _change(
                    field, f"changed: {keyword}", f"{keyword} was {_short(before)}, is {_short(after)}"
                )

    def _default(
        self, outer_old: Any, outer_new: Any, old: Schema, new: Schema, field: str
    ) -> Iterator[Change]:
        before = _default_of(outer_old, old)
        after = _default_of(outer_new, new)
        forms = (self.forms.of_keyword({}, "default", list(value)) for value in (before, after))
        if before and len({*forms}) > 1:
            yield _change(field, "changed: default", f"default was {_short(before[0])}, readers count on it")
        if after and not before and _breaks(self.new_root, outer_new, after[0]):
            yield _change(field, "default-breaks-its-field", f"default {_short(after[0])} isn't valid")

    def _properties(
        self,
        old: Schema,
        new: Schema,
        path: str,
        watchers: tuple[str, ...],
        seen: frozenset[_Visit],
    ) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted({*before, *after, *needed_before, *needed_after}):
            field = f"{path}.{name}" if path else name
            if name in after and name not in before:
                yield from self._added(old, field, name, after[name], name in needed_after, watchers)
            elif name in before and name not in after:
                yield from self._removed(new, before[name], field, name, name in needed_before)
            else:
                if name in before:
                    yield from self.compare(before[name], after[name], field, watchers, seen)
                if name in needed_after - needed_before:
                    yield _change(field, "became-required", "old data may lack it")
                elif name in needed_before - needed_after:
                    yield _change(field, "became-optional", "readers of the old contract need it")

    def _added(
        self, old: Schema, field: str, name: str, schema: Any, required: bool, watchers: tuple[str, ...]
    ) -> Iterator[Change]:
        default = _default_of(schema, target(self.new_root, schema))
        if required:
            yield _change(field, "new-field-must-be-optional", "old data doesn't have it")
        elif not default:
            yield _change(field, "new-field-needs-default", "readers of old data have no value for it")
        elif _breaks(self.new_root, schema, default[0]):
            yield _change(field, "default-breaks-its-field", f"default {_short(default[0])} isn't valid")
        others = _rule_for_others(old, name, self.slow)
        if others in _OPEN or (others and default and not required):
            # Readers of the old contract hold it to the rule for other fields; a pattern holds for it in both.
            hurt = BOTH if others in _OPEN else frozenset({BACKWARD})
            yield Change(
                field, "new-field-in-open-object", "old data may hold anything under this name", hurt
            )
        if watchers and default and not required:
            yield _change(
                field,
                "new-field-under-condition",
                f"can't be proved safe beside {', '.join(sorted(set(watchers)))}",
            )

    def _removed(self, new: Schema, schema: Any, field: str, name: str, required: bool) -> Iterator[Change]:
        deprecated = isinstance(schema, Mapping) and schema.get("deprecated") is True
        others = _rule_for_others(new, name, self.slow)
        if required:
            yield _change(field, "required-field-removed", "readers of the old contract need it")
        elif not deprecated:
            # Where anything goes, it may go on to be published, and hold what readers of it don't take.
            hurt = frozenset({FORWARD}) if others else frozenset()
            yield Change(field, "removed-without-deprecation", "mark it deprecated: true first", hurt)
        else:
            yield from too_early(schema.get(REMOVE_AFTER), field, self.today)
        if others and others != _ANYTHING:
            hurt = BOTH if others in _OPEN else frozenset({FORWARD})
            yield Change(
                field, "removed-in-open-object", "its old values would meet the rule for other fields", hurt
            )

    def _items(
        self,
        old: Any,
        new: Any,
        path: str,
        watchers: tuple[str, ...],
        seen: frozenset[_Visit],
    ) -> Iterator[Change]:
        if isinstance(old, list) or isinstance(new, list):
            if self.forms.of(self.old_root, old) != self.forms.of(self.new_root, new):
                yield _change(f"{path}[]", "changed: items", "the elements' schemas changed")
            return
        yield from self.compare(old, new, f"{path}[]", watchers, seen)


def _rule_for_others(schema: Schema, name: str, slow: set[str]) -> str:
    """What an object that doesn't declare a field says of it: a keyword, that anything goes, or nothing."""
    if any(_may_fit(pattern, name, slow) for pattern in schema.get("patternProperties", ())):
        return "patternProperties"
    for keyword in _OPEN:
        rule = schema.get(keyword)
        if isinstance(rule, Mapping) and rule:
            return keyword
        if rule is True or rule == {}:
            return _ANYTHING
    return ""


def _may_fit(pattern: str, name: str, slow: set[str]) -> bool:
    """Whether a pattern may mean a field; one that took too long once isn't asked again."""
    try:
        return pattern in slow or found_in(pattern, name)
    except TooSlowError:
        slow.add(pattern)
        return True  # nobody can say, so nothing is proven


def _breaks(root: Schema, schema: Any, default: Any) -> bool:
    """Whether a default, filled in itself, isn't valid where it stands."""
    if not isinstance(schema, Mapping):
        return schema is False
    parts = {name: root[name] for name in ("$schema", "$defs", "definitions") if name in root}
    alone = {**parts, **schema}
    try:
        full = Filling(alone, is_old_draft(alone)).filled(default)
        return bool(checker(tolerant(alone))(full))
    except Exception:  # noqa: BLE001 - it refers to a place that only exists in the whole: not provable
        return True


def _default_of(outer: Any, schema: Any) -> tuple[Any, ...]:
    """The default beside a `$ref`, else the one it leads to; empty if there is none."""
    for place in (outer, schema):
        if isinstance(place, Mapping) and "default" in place:
            return (place["default"],)
    return ()


def _extends(schema: Any) -> bool:
    """Whether it is a reference with rules of its own beside it."""
    return isinstance(schema, Mapping) and "$ref" in schema and not {*schema} <= {
        *_ANNOTATIONS, "$ref", "$schema", "default"
    }  # fmt: skip


def _dialect(value: Any) -> Any:
    name = "https://json-schema.org/draft/2020-12/schema" if value is None else str(value)
    return name.removeprefix("http://").removeprefix("https://").rstrip("#")
