"""A contract with what it refers to in it: one text that says the same, in all formats."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from contractkit import REFERRING, Referring
from flowtrail.contracts import Definition, compare
from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.folder import read_file

# In Protobuf what is of another package has another name, and the older language says more of what can be absent.
_WORDING = ("changed: type", "changed: presence", "changed: enum")


def alone(contract: Definition) -> Definition:
    """Its text, read without anything that it could refer to."""
    return FORMATS[contract.format].parse("alone", contract.alone, "Order")


def differences(contract: Definition, other: Definition) -> list[str]:
    changes = [*compare(contract, other), *compare(other, contract)]
    return [str(change) for change in changes if change.breaks or change.rule not in _WORDING]


@pytest.mark.parametrize("case", REFERRING.values(), ids=list(REFERRING))
def test_it_says_the_same_and_needs_no_other(case: Referring, tmp_path: Path) -> None:
    contract = read_file(case.write(tmp_path))
    found = alone(contract)
    payload = contract.encode(case.data)
    assert found.encode(case.data) == payload
    assert found.decode(payload) == contract.decode(payload)
    assert (found.deprecated, found.deprecated_fields) == (contract.deprecated, contract.deprecated_fields)
    assert differences(contract, found) == []
    assert differences(found, alone(found)) == []


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("avro", '{"type": "record",  "name": "Order", "doc": "Spaces stay", "fields": []}'),
        ("protobuf", '// Why.\nsyntax = "proto3"; message Order { /* What. */ Line a = 1; } message Line {}'),
        ("protobuf", 'syntax = "proto3";\nimport "google/protobuf/any.proto"; // Any.\nmessage Order {}'),
    ],
)
def test_a_text_that_takes_nothing_from_elsewhere_stays_as_it_is(format: str, text: str) -> None:
    assert FORMATS[format].parse("A/1", text, "Order").alone == text


def test_until_when_a_field_has_to_stay_is_still_said(tmp_path: Path) -> None:
    case = REFERRING["protobuf: marks and options"]
    contract = alone(read_file(case.write(tmp_path)))
    without = [line for line in contract.alone.splitlines() if " a_b " not in line]
    later = FORMATS["protobuf"].parse("later", "\n".join(without), "Order")
    rules = [change.rule for change in compare(contract, later, today=date(2025, 1, 1))]
    assert "deprecation-period-not-over" in rules


def test_a_descriptor_that_a_registry_holds_becomes_a_text(tmp_path: Path) -> None:
    """As Confluent's serializer for Python registers it: in a document nobody could read that."""
    plain = read_file(REFERRING["protobuf: it and another hold each other"].write(tmp_path))
    proto = descriptor_pb2.FileDescriptorProto()
    plain.descriptor.file.CopyToProto(proto)  # type: ignore[attr-defined]
    coded = base64.b64encode(proto.SerializeToString()).decode()
    contract = FORMATS["protobuf"].parse("A/1", coded, "Order")
    assert contract.alone == plain.alone
    assert differences(plain, alone(contract)) == []


# -- whatever refers to what


class Web(NamedTuple):
    """Types that refer to each other; the first one is the contract.

    Attributes:
        spaces: The package of each.
        edges: Those that each refers to, and how.
    """

    spaces: list[str]
    edges: list[list[tuple[int, str]]]

    def name(self, number: int) -> str:
        plain = "Order" if number == 0 else f"T{number}"
        return f"{self.spaces[number]}.{plain}" if self.spaces[number] else plain

    def reached(self) -> set[int]:
        found: set[int] = set()
        waiting = [0]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting += [other for other, _ in self.edges[at]]
        return found


@st.composite
def webs(draw: st.DrawFn) -> Web:
    count = draw(st.integers(2, 6))
    spaces = draw(st.lists(st.sampled_from(["shop", "shop.inner", "other"]), min_size=count, max_size=count))
    edge = st.tuples(st.integers(0, count - 1), st.sampled_from(["one", "many", "named"]))
    return Web(spaces, draw(st.lists(st.lists(edge, max_size=3), min_size=count, max_size=count)))


def in_avro(web: Web) -> tuple[str, Mapping[str, str]]:
    """Each type in a text of its own; those of its own namespace by their short names."""
    texts = {}
    for number, edges in enumerate(web.edges):
        space, _, plain = web.name(number).rpartition(".")
        fields: list[dict[str, Any]] = []
        for at, (other, how) in enumerate(edges):
            name = web.name(other)
            short = name.rpartition(".")[2] if name.rpartition(".")[0] == space else name
            kinds = {
                "one": ["null", short],
                "many": {"type": "array", "items": short},
                "named": {"type": "map", "values": short},
            }
            fields.append({"name": f"f{at}", "type": kinds[how]})
        fields.append({"name": "end", "type": "int"})
        texts[web.name(number)] = json.dumps(
            {"type": "record", "name": plain, "namespace": space, "fields": fields}
        )
    return texts.pop(web.name(0)), texts


def in_protobuf(web: Web) -> tuple[str, Mapping[str, str]]:
    """Types of a package in a file; no file may import one that imports it, so what leads back is left out."""
    order = list(dict.fromkeys(web.spaces))
    files = {space: ['syntax = "proto3";', f"package {space};"] for space in order}
    files |= {space: [*files[space], *(f'import "{other}.proto";' for other in order[at + 1 :])]
              for at, space in enumerate(order)}  # fmt: skip
    for number, edges in enumerate(web.edges):
        space = web.spaces[number]
        lines = [f"message {web.name(number).rpartition('.')[2]} {{ int32 end = 1;"]
        for at, (other, how) in enumerate(edges, 2):
            if order.index(web.spaces[other]) >= order.index(space):
                kind = f".{web.name(other)}"
                shown = {"one": kind, "many": f"repeated {kind}", "named": f"map<string, {kind}>"}[how]
                lines.append(f"{shown} f{at} = {at};")
        files[space] += [*lines, "}"]
    texts = {f"{space}.proto": "\n".join(lines) for space, lines in files.items()}
    return texts.pop(f"{order[0]}.proto"), texts


@pytest.mark.slow
@given(webs())
def test_types_that_refer_to_each_other_in_any_way(web: Web) -> None:
    for format, (text, texts) in (("avro", in_avro(web)), ("protobuf", in_protobuf(web))):
        contract = FORMATS[format].parse("A/1", text, "Order", texts)
        found = alone(contract)
        assert differences(contract, found) == []
        assert differences(found, alone(found)) == []
        if format == "avro":
            defined = found.alone.count('"type": "record"')
            assert defined == len(web.reached()), "each once, and nothing else"
