"""What the comparison says of every change of the table, beside those who judge by the specifications.

Where a judge says otherwise, the sentence of the specification that decides is listed, with the rule of ours
that it is about. An entry that explains nothing fails, so the list can't outlive what it explains.
"""

import logging
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from contractkit import CASES, Case, of_buf, of_java, of_registry
from flowtrail.contracts import Change, Definition, compare
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

FULL = os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0")
SIDES = ("backward", "forward")

# https://avro.apache.org/docs/1.12.0/specification/#logical-types; Java resolves types without looking at them.
AVRO = {
    "changed: scale": "For the purposes of schema resolution, two schemas that are decimal logical types match if "
    "their scales and precisions match.",
    "changed: precision": "For the purposes of schema resolution, two schemas that are decimal logical types match "
    "if their scales and precisions match.",
    "changed: logicalType": "A logical type is an Avro primitive or complex type with extra attributes to represent "
    "a derived type. ... Language implementations may choose to represent logical types with an appropriate "
    "native type. (So a number read as a date, or milliseconds as microseconds, is another value.)",
    "changed: type": "a string is encoded as a long followed by that many bytes of UTF-8 encoded character data. ... bytes "
    "is promotable to string. (Of bytes that aren't UTF-8 no text can be made; Java puts U+FFFD in their place.)",
}
# https://protobuf.dev/programming-guides/proto3/#updating; buf asks whether bytes can be read, not what as.
PROTOBUF = {
    "symbol-removed": "Reserve the numbers of deleted values. (buf is content with that; we name the value, and that it "
    "breaks nobody where the enum is open.)",
    "changed: type": "If a number is parsed from the wire which doesn't fit in the corresponding type, you will get "
    "the same effect as if you had cast the number to that type in C++ (for example, if a 64-bit number is read as "
    "an int32, it will be truncated to 32 bits). ... string and bytes are compatible as long as the bytes are valid "
    "UTF-8.",
    "symbol-added": "Closed: when an unrecognized value is parsed, it is set in the unknown field set. (So the "
    "reader finds the field absent. https://protobuf.dev/programming-guides/enum/)",
}
NOTHING = "(nothing)"
IGNORED = (
    "Messages created by your new code can be parsed by your old code: old binaries simply ignore the new field when "
    "parsing. (Apicurio, at FORWARD, takes it for one that went.)"
)
# What Apicurio lets pass, and what it refuses, other than we do; by format and by any rule of ours for the change.
OPEN_READERS = (
    "A contract's readers accept fields that they don't know (docs/contracts.md): validation as a whole, 'an object "
    "instance is valid against additionalProperties: false only if ...', is asked of publishers."
)
REGISTRY_PASSES = {
    "avro": AVRO,
    "json": {
        "changed: type": "integer: any number with a zero fractional part matches. (So the registry takes number for "
        "a wider integer; contracts compare keywords, and a reader of the old one gets 1.5.)",
        "changed: maximum": "Likewise.",
        "changed: pattern": "A string instance is considered valid if the regular expression matches the instance "
        "successfully. (Contracts compare patterns as texts: whether one takes less than another isn't proven.)",
        "new-field-needs-default": "default: can be used to supply a default JSON value. (A contract's readers get it for a "
        "field that old data doesn't have; without it they would find none.)",
        "changed: additionalProperties": "Omitting this keyword has the same assertion behavior as an empty schema. "
        "(For a contract's publisher it is false, so that a map is another thing than an object.)",
        "changed: format": "The format keyword functions as an annotation, and optionally as an assertion. (Ours is.)",
        "changed: contentEncoding": "contentEncoding: an annotation; readers that decode by it get other bytes.",
    },
    "protobuf": {
        "changed: oneof": "Move fields into or out of a oneof: You may lose some of your information (some fields will be "
        "cleared) after the message is serialized and parsed.",
    },
}
REGISTRY_REFUSES = {
    "avro": {},
    "json": dict.fromkeys(
        (NOTHING, "removed-without-deprecation", "required-field-removed", "new-field-needs-default",
         "new-field-must-be-optional"), OPEN_READERS),
    "protobuf": {
        NOTHING: IGNORED,
        "new-field-must-be-optional": IGNORED,
        "removed-without-deprecation": "Fields can be removed, as long as the field number is not used again in your updated "
        "message type.",
        "reservation-removed": "The protocol buffer compiler will complain if any future developers try to use these "
        "identifiers. (What is reserved isn't on the wire.)",
        "changed: type": "int32, uint32, int64, uint64, and bool are all compatible - this means you can change a "
        "field from one of these types to another without breaking forwards- or backwards-compatibility. ... enum is "
        "compatible with int32, uint32, int64, and uint64 in terms of wire format. (Apicurio compares names of types.)",
        "renamed": "Field names aren't on the wire: the number identifies the field.",
        "number-not-reserved": "You can delete fields as long as the field number is not used again.",
        "symbol-renamed": "Names of an enum's values aren't on the wire either.",
        "changed: presence": "Whether a field tracks presence isn't on the wire.",
        "symbol-removed": "Open: an unrecognized value is kept in the field. (enum guide)",
        "became-required": "Old readers take a field that is always there.",
        "became-optional": "New readers take a field that may be missing.",
        "required-field-removed": "New readers don't look for it.",
        "number-changed": "Another number is another field.",
        "changed: label": "repeated and singular: see Updating A Message Type.",
    },
}  # fmt: skip
# What `buf breaking` has in other categories than WIRE, or not at all: names, and customs of ours.
NOT_WIRE = {
    "renamed",
    "changed: json_name",
    "changed: presence",
    "removed-without-deprecation",
    "symbol-renamed",
}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "flowtrail.contracts")


def having(format: str) -> list[Case]:
    return [case for case in CASES if format in case.texts]


def changes(case: Case, format: str) -> list[Change]:
    old, new = (FORMATS[format].parse(case.name, text, "Event") for text in case.texts[format])
    return compare(old, new)


def explained(disagreements: Iterable[tuple[str, Iterable[str]]], sentences: Mapping[str, str]) -> None:
    """Each disagreement has a rule with a sentence, and each sentence is needed."""
    used: Counter[str] = Counter()
    for name, rules in disagreements:
        known = [rule for rule in rules if rule in sentences]
        assert known, f"{name}: nothing explains {sorted(rules)}"
        used.update(known)
    assert set(used) == set(sentences), "explains nothing any more"


def test_the_table_is_large_enough() -> None:
    counts = Counter(format for case in CASES for format in case.texts)
    assert all(counts[format] >= 120 for format in FORMATS), counts
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.servers
@pytest.mark.fetches("avro")
def test_avro_is_judged_as_java_judges_it() -> None:
    cases = having("avro")
    disagreements = []
    for case, verdict in zip(cases, of_java(cases), strict=True):
        found = changes(case, "avro")
        for side, reads in zip(SIDES, verdict, strict=True):
            rules = {change.rule for change in found if side in change.breaks}
            if reads and rules:
                disagreements.append((f"{case.name}, {side}", rules))
                text = (case.name, side) in (("string to bytes", "forward"), ("bytes to string", "backward"))
                assert text or "changed: type" not in rules, case.name
            assert reads or rules, f"{case.name}: Java can't read it {side}, and nothing was found"
    explained(disagreements, AVRO)


@pytest.mark.slow
def test_protobuf_is_judged_as_buf_judges_it(tmp_path: Path) -> None:
    cases = having("protobuf")
    disagreements = []
    for case, verdict in zip(cases, of_buf(cases, tmp_path, "WIRE"), strict=True):
        rules = {change.rule for change in changes(case, "protobuf")} - NOT_WIRE
        if rules and not verdict:
            disagreements.append((case.name, rules))
        assert rules or not verdict, f"{case.name}: buf finds {verdict}, and nothing was found"
    explained(disagreements, PROTOBUF)


@pytest.mark.parametrize("name", ["another name", "protobuf: json name"])
def test_names_are_judged_as_buf_judges_them_for_json(tmp_path: Path, name: str) -> None:
    (case,) = (case for case in having("protobuf") if case.name == name)
    ((*verdict,),) = of_buf([case], tmp_path, "WIRE_JSON")
    assert verdict
    assert changes(case, "protobuf")


_SIGNED, _UNSIGNED = (-1, -(2**31), 2**31 - 1), (2**32 - 1,)
_LONG = (*_SIGNED, -(2**63), 2**63 - 1)
WITNESSES = {
    "bool": (False, True), "string": ("", "\u00e9"), "bytes": (b"", b"\xff"), "Kind": ("A", "B", -1),
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (0, 1, *_SIGNED)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (0, 1, *_LONG)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 1, 2**31, *_UNSIGNED)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 1, 2**31, 2**64 - 1)),
}  # fmt: skip


def plain(value: Any) -> Any:
    """A value without the name that Protobuf gives it."""
    if value in ("A", "B"):
        return ("A", "B").index(value)
    return value.encode() if isinstance(value, str) else value


def changed(written: Definition, read: Definition, kind: str) -> bool:
    """Whether a value of a kind comes out as another, or not at all."""
    for value in WITNESSES[kind]:
        try:
            found = read.decode(written.encode({"id": "7", "x": value})).get("x")
        except DecodeError:
            return True
        if plain(found) != plain(value):
            return True
    return False


SCALARS = [case for case in CASES if case.name.removeprefix("protobuf: ").partition(" to ")[0] in WITNESSES
           and case.name.startswith("protobuf: ")]  # fmt: skip


@pytest.mark.parametrize("case", SCALARS, ids=lambda case: case.name)
def test_a_break_of_protobuf_is_a_value_that_changes(case: Case) -> None:
    """The runtime decides: bytes of one side, read by the other."""
    kinds = case.name.removeprefix("protobuf: ").split(" to ")
    old, new = (FORMATS["protobuf"].parse(case.name, text, "Event") for text in case.texts["protobuf"])
    found = compare(old, new)
    breaks = {side for change in found for side in change.breaks}
    assert ("backward" in breaks) == changed(old, new, kinds[0])
    assert ("forward" in breaks) == changed(new, old, kinds[1])


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_registry_judges_so_or_a_sentence_decides(registry: str, format: str) -> None:
    """Every eighth change, all with FLOWTRAIL_FULL: a registry is asked five times for each."""
    kind = FORMATS[format].registry_type
    unexplained = []
    for case in [case for case in CASES[:: 1 if FULL else 8] if format in case.texts]:
        found = changes(case, format)
        verdict = of_registry(registry, f"matrix-{uuid.uuid4().hex}", kind, case.texts[format])
        for side, passes in zip(SIDES, verdict, strict=True):
            if passes == any(side in change.breaks for change in found):
                known = (REGISTRY_PASSES if passes else REGISTRY_REFUSES)[format]
                rules = {change.rule for change in found} or {NOTHING}
                if not rules & set(known):
                    unexplained.append(f"{case.name}, {side}: passes is {passes}, and we find {rules}")
    assert not unexplained, "\n".join(unexplained)
