"""Whether a Protobuf contract may change in this way.

"Updating A Message Type" of the language guide, with one difference: what it calls compatible although values
are cut ("if a 64-bit number is read as an int32, it will be truncated to 32 bits") is a break here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from flowtrail.contracts._change import BACKWARD, BOTH, FORWARD, Change, short, told_once, too_early
from flowtrail.contracts._walks import Walk
from flowtrail.contracts.protobuf._kinds import (
    NAMES,
    has_presence,
    is_map,
    is_repeated,
    is_required,
    names_of,
    shown,
    values_of,
)
from flowtrail.contracts.protobuf._reserving import (
    Taken,
    holds,
    singles,
    taken_by_enum,
    taken_by_message,
    without,
)
from flowtrail.contracts.protobuf._reserving import shown as shown_range

_BACKWARD, _FORWARD, _NOBODY = frozenset({BACKWARD}), frozenset({FORWARD}), frozenset[str]()
_BY_NAME = "JSON and handlers know it by its name"
# Within a group the bytes are the same.
_GROUPS: tuple[frozenset[str], ...] = (
    frozenset({"int32", "int64", "uint32", "uint64", "bool"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
    frozenset({"string", "bytes"}),
)


def compare(
    old: Any, new: Any, *, removals: Mapping[tuple[str, int], str], today: date | None = None
) -> list[Change]:
    """The changes from old to new that need a new version.

    Args:
        old: Descriptor of the message as it was.
        new: As it is to be.
        removals: What `x-remove-after` of the old contract says, by message and number.
        today: Decides whether that has passed.
    """
    return told_once(_Comparison(removals, today).messages(old, new, "", frozenset()))


class _Comparison:
    def __init__(self, removals: Mapping[tuple[str, int], str], today: date | None) -> None:
        self._removals = removals
        self._today = today
        self._walk = Walk()

    def messages(self, old: Any, new: Any, path: str, seen: frozenset[tuple[str, str]]) -> Iterator[Change]:
        visit = old.full_name, new.full_name
        if not self._walk.enters(visit, seen):
            return
        seen |= {visit}
        before, after = old.fields_by_number, new.fields_by_number
        was, now = taken_by_message(old), taken_by_message(new)
        for number in sorted({*before, *after}):
            if number not in before:
                yield from self._added(old, after[number], was, path)
            elif number not in after:
                yield from self._removed(before[number], new, now, path)
            else:
                yield from self._kept(before[number], after[number], path, seen)
        for name in sorted(was.names.intersection(new.fields_by_name)):
            yield Change(_joined(path, name), "name-reused", f"{name} was reserved: {_BY_NAME}", _NOBODY)
        yield from _reservations(was, now, after, new.fields_by_name, path or "(root)")

    def _added(self, old: Any, field: Any, was: Taken, path: str) -> Iterator[Change]:
        where = _joined(path, field.name)
        reused = _reused(was, field.number)
        if field.name in old.fields_by_name:
            number = old.fields_by_name[field.name].number
            yield Change(
                where, "number-changed", f"from {number} to {field.number}: neither side finds the other's"
            )
        elif reused:
            yield Change(where, "number-reused", reused)
        if is_required(field):
            yield Change(where, "new-field-must-be-optional", "old data doesn't have it", _BACKWARD)

    def _removed(self, field: Any, new: Any, now: Taken, path: str) -> Iterator[Change]:
        where = _joined(path, field.name)
        if field.name in new.fields_by_name:
            return  # its number changed, which is told where it went
        if is_required(field):
            yield Change(where, "required-field-removed", "readers of the old contract need it", _FORWARD)
        elif not field.GetOptions().deprecated:
            yield Change(where, "removed-without-deprecation", "mark it deprecated = true first", _NOBODY)
        else:
            after = self._removals.get((field.containing_type.full_name, field.number))
            yield from too_early(after, where, self._today)
        if not holds(now.numbers, field.number):
            detail = f"write `reserved {field.number};`, so that nobody takes it for another thing"
            yield Change(where, "number-not-reserved", detail, _NOBODY)

    def _kept(self, old: Any, new: Any, path: str, seen: frozenset[tuple[str, str]]) -> Iterator[Change]:
        where = _joined(path, new.name)
        if old.name != new.name:
            yield Change(where, "renamed", f"was {old.name}; JSON and handlers know it by its name", _NOBODY)
        elif old.json_name != new.json_name:
            yield Change(where, "changed: json_name", f"was {old.json_name}, is {new.json_name}", _NOBODY)
        if is_repeated(old) != is_repeated(new) or is_map(old) != is_map(new):
            yield Change(where, "changed: label", f"was {_labelled(old)}, is {_labelled(new)}")
            return
        if is_required(old) != is_required(new):
            rule = "became-required" if is_required(new) else "became-optional"
            detail = "old data may lack it" if is_required(new) else "readers of the old contract need it"
            yield Change(where, rule, detail, _BACKWARD if is_required(new) else _FORWARD)
        elif not is_repeated(old) and has_presence(old) != has_presence(new):
            detail = "whether it can be absent, other than by having its default"
            yield Change(where, "changed: presence", detail, _NOBODY)
        yield from _oneof(old, new, where)
        yield from self._types(old, new, where, seen)

    def _types(self, old: Any, new: Any, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[Change]:
        if old.message_type is not None and new.message_type is not None:
            inside = f"{where}{'{}' if is_map(old) else '[]' if is_repeated(old) else ''}"
            special = "google.protobuf."
            if old.message_type.full_name != new.message_type.full_name and not is_map(old):
                known = (old.message_type.full_name + new.message_type.full_name).count(special)
                hurt = BOTH if known else _NOBODY
                yield Change(where, "changed: type", f"was {shown(old)}, is {shown(new)}", hurt)
            yield from self.messages(old.message_type, new.message_type, inside, seen)
        elif old.enum_type is not None and new.enum_type is not None:
            yield from _enums(old.enum_type, new.enum_type, where)
            yield from _default(old, new, where)
        elif old.type != new.type:
            yield _type(old, new, where)
        else:
            yield from _default(old, new, where)


def _type(old: Any, new: Any, where: str) -> Change:
    # An enum is an int32 on the wire, and reads as one.
    before = NAMES.get(old.type, "int32" if old.enum_type is not None else "message")
    after = NAMES.get(new.type, "int32" if new.enum_type is not None else "message")
    detail = f"type was {shown(old)}, is {shown(new)}"
    if not any({before, after} <= group for group in _GROUPS):
        return Change(where, "changed: type", detail)
    hurt = frozenset({*(() if _takes(new, old) else _BACKWARD), *(() if _takes(old, new) else _FORWARD)})
    why = {
        _NOBODY: "names become numbers, or the other way",
        _FORWARD: "readers of the old contract get less",
        _BACKWARD: "readers of the new contract get less",
    }.get(hurt, "the same bytes mean other numbers, or nothing")
    return Change(where, "changed: type", f"{detail}: {why}", hurt)


def _takes(reader: Any, writer: Any) -> bool:
    """Whether one field reads all values of the other, which is written with the same bytes."""
    read, written = values_of(reader), values_of(writer)
    if read is None or written is None:
        return NAMES.get(writer.type) == "string"  # all of which are bytes
    if isinstance(written, range):
        if isinstance(read, range):
            return read.start <= written.start and written.stop <= read.stop
        if len(read) < written.stop - written.start:
            return False
    return all(number in read for number in written)


def _default(old: Any, new: Any, where: str) -> Iterator[Change]:
    # As text, since NaN isn't itself.
    if not is_repeated(old) and repr(old.default_value) != repr(new.default_value):
        was = old.default_value
        if old.enum_type is not None:
            was = names_of(old.enum_type)[was]
        yield Change(where, "changed: default", f"default was {short(was)}, readers count on it", _NOBODY)


def _enums(old: Any, new: Any, where: str) -> Iterator[Change]:
    before, after = names_of(old), names_of(new)
    if old.is_closed != new.is_closed:
        closed = "new" if new.is_closed else "old"
        detail = f"readers of the {closed} contract lose numbers that aren't declared"
        yield Change(where, "changed: enum", detail, _BACKWARD if new.is_closed else _FORWARD)
    for number, name in before.items():
        if number not in after:
            if name in new.values_by_name:
                continue  # its number changed, which is told below
            hurt = _BACKWARD if new.is_closed else _NOBODY
            yield Change(where, "symbol-removed", f"{short(name)} = {number} was written", hurt)
        elif after[number] != name and _number_of(new, name) in (None, number):
            yield Change(where, "symbol-renamed", f"{number} was {name}, is {after[number]}", _NOBODY)
    for value in old.values:
        now = _number_of(new, value.name)
        if now is None and value.number in after and before[value.number] != value.name:
            detail = f"{short(value.name)}, another name of {value.number}: JSON and publishers know it"
            yield Change(where, "symbol-removed", detail, _NOBODY)
        elif now is not None and now != value.number:
            yield Change(where, "number-changed", f"{value.name} was {value.number}, is {now}")
    was = taken_by_enum(old)
    for number, name in after.items():
        if number in before or name in old.values_by_name:
            continue
        if reused := _reused(was, number):
            yield Change(where, "number-reused", f"{short(name)}: {reused}")
        elif old.is_closed:
            detail = f"{short(name)}: readers of the old contract lose it"
            yield Change(where, "symbol-added", detail, _FORWARD)
    for name in sorted(was.names.intersection(new.values_by_name)):
        yield Change(where, "name-reused", f"{short(name)} was reserved: {_BY_NAME}", _NOBODY)
    yield from _reservations(was, taken_by_enum(new), after, new.values_by_name, where)


def _number_of(enum: Any, name: str) -> int | None:
    value = enum.values_by_name.get(name)
    return None if value is None else value.number


def _oneof(old: Any, new: Any, where: str) -> Iterator[Change]:
    before, after = _group_of(old), _group_of(new)
    if before[0] == after[0]:
        return  # who came to it, or left it, says so
    # A member that is new, or gone, changes nothing for those that stay.
    peers = [
        {name for name in group[1] if name in other.containing_type.fields_by_name} if group[0] else None
        for group, other in ((before, new), (after, old))
    ]
    if peers[0] == peers[1]:
        return
    detail = f"was in {before[0] or 'none'}, is in {after[0] or 'none'}"
    # Alone in a oneof that is new, it can put nothing else out.
    others = [name for name in (after[1] or before[1]) if name != new.name]
    met = bool(after[0]) and any(name in old.containing_type.fields_by_name for name in others)
    left = len(before[1]) > 1
    hurt = frozenset({*(_BACKWARD if met else ()), *(_FORWARD if left else ())})
    yield Change(where, "changed: oneof", detail, hurt)


def _group_of(field: Any) -> tuple[str, tuple[str, ...]]:
    oneof = field.containing_oneof
    if oneof is None or (len(oneof.fields) == 1 and oneof.name == f"_{field.name}"):
        return "", ()
    return oneof.name, tuple(member.name for member in oneof.fields)


def _reused(was: Taken, number: int) -> str:
    """Why a number that is new may be in old data, empty if it can't."""
    for ranges, what in ((was.numbers, "reserved"), (was.extensions, "for extensions")):
        if holds(ranges, number):
            return f"{number} was {what}: old data may hold another thing"
    return ""


def _reservations(
    was: Taken, now: Taken, numbers: Iterable[int], names: Container[str], where: str
) -> Iterator[Change]:
    """What was reserved and is neither reserved now nor used, which is told where it is."""
    used = (*now.numbers, *singles(numbers))
    for start, end in without(was.numbers, used):
        detail = f"{shown_range(start, end)} may still be in old data"
        yield Change(where, "reservation-removed", detail, _NOBODY)
    for name in sorted(was.names - now.names):
        if name not in names:
            detail = f"{short(name)} may still be in old JSON, and in handlers"
            yield Change(where, "reservation-removed", detail, _NOBODY)
    for start, end in without(was.extensions, (*used, *now.extensions)):
        detail = f"{shown_range(start, end)} may still be in old data, as extensions: reserve them"
        yield Change(where, "extensions-removed", detail, _NOBODY)


def _labelled(field: Any) -> str:
    return (
        shown(field) if is_map(field) else f"repeated {shown(field)}" if is_repeated(field) else shown(field)
    )


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
