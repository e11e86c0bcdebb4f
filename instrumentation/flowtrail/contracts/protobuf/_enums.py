"""Enums of a .proto file, and numbers and names that a message or an enum leaves free."""

from __future__ import annotations

from typing import Any

from flowtrail.contracts.protobuf import _rules as rules
from flowtrail.contracts.protobuf._lexing import Words
from flowtrail.contracts.protobuf._options import Options


def enum(words: Words, options: Options, made: Any, around: str) -> None:
    """Read what follows the word `enum` into its descriptor."""
    made.name = words.name_of("the enum's name")
    full = f"{around}.{made.name}" if around else made.name
    words.expect("{")
    while not words.follows("}"):
        word = words.next
        if words.follows(";") or options.statement(made, full):
            continue
        if words.follows("reserved"):
            ranges(words, options, made, "reserved", rules.VALUE_NUMBERS, full)
        else:
            value = made.value.add(name=words.name_of("a value's name"))
            words.expect("=")
            value.number = words.number("the value's number")
            options.list(value, full)
            words.expect(";")
            if options.proto3 and len(made.value) == 1 and value.number != 0:
                words.wrong(f"{made.name}: the first value of an enum is 0 in proto3", word)
    if said := rules.enum_wrong(made, proto3=options.proto3):
        words.wrong(said)


def ranges(words: Words, options: Options, holder: Any, word: str, numbers: range, full: str) -> None:
    """Numbers or names that are taken; the end of a message's range doesn't belong to it."""
    if word == "extensions" and options.proto3:
        words.wrong("proto3 knows no extensions")
    by_name = words.next.kind == "text" and word == "reserved"
    while True:
        if by_name:
            name = words.text("a name").decode("utf-8", "replace")
            if not (name.isascii() and name.isidentifier()):
                words.wrong(f"{name!r:.60} is no name of a field or value")
            holder.reserved_name.append(name)
        elif words.next.kind == "name" and word == "reserved":
            words.wrong("a reserved name stands in quotes")
        else:
            _range(words, options, holder, word, numbers, full)
        if not words.follows(","):
            break
    words.expect(";")


def _range(words: Words, options: Options, holder: Any, word: str, numbers: range, full: str) -> None:
    at = words.next
    last = first = words.number("a number")
    if words.follows("to"):
        last = numbers.stop - 1 if words.follows("max") else words.number("a number")
    if said := rules.range_wrong(first, last, numbers):
        words.wrong(said, at)
    end = last + (1 if numbers == rules.FIELD_NUMBERS else 0)
    if word == "extensions":
        options.list(holder.extension_range.add(start=first, end=end), full)
    else:
        holder.reserved_range.add(start=first, end=end)
