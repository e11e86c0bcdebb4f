"""Protobuf: what is no .proto file, judged by buf, and told with its line in words that are ours."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from flowtrail.contracts import SchemaError
from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.protobuf._grammar import SCALARS
from waiting import scaled

ESCAPES = [
    *(f"\\{char}" for char in "abcdefghijklmnopqrstuvwxyz0123456789'?_ "), r"\"", r"\\",
    *(f"\\{x}{digits}" for x in "xXuU" for digits in (
        "1", "1F", "1f2", "g", "00e9", "00e", "0001F600", "0001F60", "00110000", "d800", "0000d800", "ff")),
    *(f"\\{digits}" for digits in ("1", "17", "177", "377", "400", "777", "1777", "18", "08")),
]  # fmt: skip
RANGES = ["1", "2", "1 to 3", "3 to 5", "5 to 3", "1 to max", "0", "0 to 2", "-1", "-3 to -1", "-1 to 1", "max",
          "536870911", "536870912", "1 to 536870912", "2147483647", "2147483648", "-2147483649 to 0"]  # fmt: skip
NAMES = ['"x"', '"y"', '"x", "x"', '"x"; reserved "x"', "x"]
VALUES = ['"text"', "true", "SPEED", "7", "-7", "0.5"]
OPTIONS = {
    "FileOptions": "option {}; message E {{ }}",
    "MessageOptions": "message E {{ option {}; }}",
    "FieldOptions": "message E {{ optional string f = 1 [{}]; }}",
    "EnumOptions": "message E {{ }} enum K {{ option {}; Z = 0; }}",
    "EnumValueOptions": "message E {{ }} enum K {{ Z = 0 [{}]; }}",
}
# What they are good for is another question: some only suit lists of numbers, others an enum with aliases.
_OF_THEIR_OWN = {"packed", "allow_alias", "message_set_wire_format", "map_entry", "lazy", "unverified_lazy", "jstype", "weak", "ctype"}  # fmt: skip
_KINDS = {8: "true", 9: '"text"', 14: "SPEED"}


def _options() -> Mapping[str, str]:
    found = {}
    for options, text in OPTIONS.items():
        for option in getattr(descriptor_pb2, options).DESCRIPTOR.fields:
            if option.type in _KINDS and not option.is_repeated and option.name not in _OF_THEIR_OWN:
                for value in VALUES:
                    # A number in place of an enum's name: buf takes it, protoc says "Value must be identifier".
                    if option.type != 14 or (
                        not value.endswith("7") and (value != "SPEED" or option.name == "optimize_for")
                    ):
                        found[f"{options} {option.name} = {value}"] = text.format(f"{option.name} = {value}")
    return found


DEFAULTS = {
    f"{kind} {value}": f"message E {{ optional {kind} x = 1 [default = {value}]; }} enum K {{ A = 0; }}"
    for kind, value in product(
        [*SCALARS, "K", "E"], ['"text"', "true", "A", "7", "-7", "0.5", "nan"])
    if kind != "K" or not value.endswith("7")  # likewise
}  # fmt: skip
KINDS = {
    "escapes": {f"{kind} {text}": f'message E {{ optional {kind} x = 1 [default = "{text}"]; }}'
                for kind in ("string", "bytes") for text in ESCAPES},
    "ranges of messages": {f"{one}, {other}": f"message E {{ {one}; {other}; optional int32 x = 4; }}"
                           for one, other in product(
                               [f"reserved {part}" for part in RANGES],
                               ["option deprecated = true", *(f"{word} {part}" for part in RANGES[:6]
                                                              for word in ("reserved", "extensions"))])},
    "ranges of enums": {f"{one}, {other}": f"message E {{ }} enum K {{ reserved {one}, {other}; x = 4; }}"
                        for one, other in product(RANGES, RANGES)},
    "names": {f"{holder} {name}": text.format(name) for name in NAMES for holder, text in {
        "message": "message E {{ reserved {}; optional int32 y = 1; }}",
        "enum": "message E {{ }} enum K {{ reserved {}; y = 0; }}"}.items()},
    "aliases": {f"{option} {values}": f"message E {{ }} enum K {{ {option} {values} }}" for option, values in product(
        ["", "option allow_alias = true;", "option allow_alias = false;"],
        ["A = 0;", "A = 0; B = 0;", "A = 0; B = 1; C = 1;", "A = 0; B = 1;", "A = 1; B = -1; C = 1;"])},
    "options": _options(),
    "defaults": DEFAULTS,
    "labels": {f"{label} {kind}": f"message E {{ {label} {kind} x = 1; }} enum K {{ A = 0; }}" for label, kind in product(
        ["", "optional", "repeated", "required"],
        ["int32", "E", *(f"map<{key}, int32>" for key in ("int32", "bool", "string", "bytes", "float", "E", "K"))])},
    "oneofs": {inner: f"message E {{ oneof o {{ {inner} }} }}" for inner in (
        "", "int32 x = 1;", "optional int32 x = 1;", "repeated int32 x = 1;", "map<int32, int32> x = 1;")},
    "packed": {f"{label} {kind}": f"message E {{ {label} {kind} x = 1 [packed = true]; }}" for label, kind in product(
        ["optional", "repeated"], ["int32", "double", "bool", "string", "bytes"])},
}  # fmt: skip
_THEIR_WORDS = re.compile(r"mini table|descriptor pool|\([-\d]+, [-\d]+\)|of type \d|subenum|LABEL|OPTIONAL")


def refused_by_buf(texts: list[str], folder: Path) -> set[int]:
    """Places of texts that it doesn't build; one run for all."""
    (folder / "buf.yaml").write_text("version: v2\n", "utf-8")
    for place, text in enumerate(texts):
        name = f"c{place}.proto"
        (folder / name).write_text(f'syntax = "proto2"; package c{place}; {text}', "utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("buf")), "build", "--error-format=json"], cwd=folder,
        capture_output=True, text=True, timeout=scaled(120), check=False,
        env={"HOME": str(folder), "BUF_CACHE_DIR": str(folder / "cache"), "PATH": ""},
    )  # fmt: skip
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]
    assert bool(lines) == (done.returncode != 0), done.stderr
    return {int(Path(json.loads(line)["path"]).stem[1:]) for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_buf_refuses_is_refused_in_words_of_ours(kind: str, tmp_path: Path) -> None:
    names, texts = list(KINDS[kind]), list(KINDS[kind].values())
    theirs = refused_by_buf(texts, tmp_path)
    assert 0 < len(theirs) < len(texts)
    ours = {}
    for place, text in enumerate(texts):
        try:
            FORMATS["protobuf"].parse("E/1", f'syntax = "proto2";\n{text}', "E")
        except SchemaError as error:
            ours[place] = str(error)
    assert {names[place] for place in ours} == {names[place] for place in theirs}
    assert not [said for said in ours.values() if _THEIR_WORDS.search(said) or "\n" in said]
