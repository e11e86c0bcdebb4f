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

from contractkit import ODD_PROTOS
from flowtrail.contracts import SchemaError
from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.protobuf._kinds import SCALARS
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
    folder.mkdir(exist_ok=True)
    (folder / "buf.yaml").write_text("version: v2\n", "utf-8")
    for place, text in enumerate(texts):
        name = f"c{place}.proto"
        (folder / name).write_text(text, "utf-8", newline="")
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
    files = [f'syntax = "proto2"; package c{place}; {text}' for place, text in enumerate(texts)]
    theirs = refused_by_buf(files, tmp_path)
    assert 0 < len(theirs) < len(texts)
    ours = {}
    for place, text in enumerate(texts):
        if said := refusal(f'syntax = "proto2";\n{text}'):
            ours[place] = said
    assert {names[place] for place in ours} == {names[place] for place in theirs}
    assert not [said for said in ours.values() if _THEIR_WORDS.search(said) or "\n" in said]


# What buf takes and is refused here: protoc's sentence, or the runtime's, or the docs'.
WE_REFUSE = {
    "(kind) = 0": "protoc: Value must be identifier for enum-valued option",
    "(nothing)": "a contract is a message",
    ";": "a contract is a message",
    "int32 x = 1e2;": "protoc: Expected field number.",
    "reserved;": "protoc: Expected field name or number range.",
    "a mark of byte order within": "protoc: Interpreting non ascii codepoint",
    "message E { optional int32 fooBar = 1; optional int32 foo_bar = 2; }": "the runtime: duplicate json_name",
    "A = 0; reserved;": "protoc: Expected enum value or number range.",
    "option = 0;": "protoc: an enum's block is read statement by statement, and `option` begins one",
    "reserved = 0;": "protoc: likewise",
    "in proto2, of a map": "protoc: Enum value in map must define 0 as the first value.",
    "extend X { optional group Y = 100 { } }": "docs/contract-formats.md: groups aren't read",
    "message Y { extensions x; }": "protoc: Expected field number range.",
    "message Y { extensions; }": "protoc: Expected field number range.",
}
# What buf refuses and is taken here: what is within the braces of an option that somebody declared isn't looked at.
WE_TAKE = {"(opt) = { x: 1 }"}


@pytest.mark.slow(20)
def test_malformed_and_odd_files_are_refused_as_buf_refuses_them(tmp_path: Path) -> None:
    """Each with its line: what is written in a file that nobody else could use isn't a contract."""
    met = set()
    for number, (kind, table) in enumerate(ODD_PROTOS.items()):
        names = list(table)
        texts = [
            text.replace("@", f"c{at}").replace("5#", str(5000 + at))
            for at, text in enumerate(table.values())
        ]
        theirs = {names[at] for at in refused_by_buf(texts, tmp_path / str(number))}
        ours = {name: said for name, text in zip(names, texts, strict=True) if (said := refusal(text))}
        different = ours.keys() ^ theirs
        met |= different
        assert different <= WE_REFUSE.keys() | WE_TAKE, kind
        assert {name for name in different if name in theirs} <= WE_TAKE, kind
        for said in ours.values():
            assert re.match(r"E/1(:\d+)?: .", said)
            assert not _THEIR_WORDS.search(said)
            assert "\n" not in said
            assert len(said) < 400
    assert met == WE_REFUSE.keys() | WE_TAKE, "explains nothing any more"


def refusal(text: str) -> str | None:
    """What is said of a file; None if it can be used."""
    try:
        FORMATS["protobuf"].parse("E/1", text, "E")
    except SchemaError as error:
        return str(error)
    return None


LINES = {
    "an option that isn't there": ("message E {\n int32 x = 1\n [depreciated = true]; }",
                                   "E/1:4: there is no option 'depreciated' here: did you mean deprecated?"),
    "of a service": ("message E { } service S {\n option deprecatd = true; }",
                     "E/1:3: there is no option 'deprecatd' here: did you mean deprecated?"),
    "one that nobody declares": ("message E {\n int32 x = 1 [(shop.masked) = true]; }",
                                 "E/1:3: there is no option (shop.masked): import the file that declares it"),
    "one that nobody could": ("option nonsense = 1;\nmessage E { }",
                              "E/1:2: there is no option 'nonsense' here: one of your own stands in brackets"),
    "twice": ("message E {\n option deprecated = true;\n option deprecated = false; }", "E/1:4: deprecated is said twice"),
    "an rpc": ("message E { }\nservice S {\n rpc F(E) returns (Nothing); }", "E/1:4: couldn't resolve name 'Nothing'"),
    "a type that isn't imported": ('import "google/protobuf/api.proto";\nmessage E {\n google.protobuf.Type x = 1; }',
        "E/1:4: google.protobuf.Type is in google/protobuf/type.proto, which isn't imported"),
    "a name that means another": ("message E { message M { }\n M.N x = 1; }\nmessage M { message N { } }",
                                  "E/1:3: M.N: M means E.M here, which has no N"),
    "a name twice": ("message E { int32 x = 1; message x { }\n}", "E/1:3: E: x is declared more than once"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_refusal_says_where_and_what(name: str) -> None:
    text, expected = LINES[name]
    said = refusal(f'syntax = "proto3";\n{text}')
    assert said is not None
    assert said.startswith(expected)


def test_options_of_ones_own_may_come_from_another_file() -> None:
    options = """syntax = "proto2"; package shop; import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions { optional bool masked = 50000; }"""
    text = """syntax = "proto3"; import "shop/options.proto"; message E { string card = 1 [(shop.masked) = %]; }"""
    references = {"shop/options.proto": options}
    found = FORMATS["protobuf"].parse("E/1", text.replace("%", "true"), "E", references)
    assert found.decode(found.encode({"card": "4"})) == {"card": "4"}
    with pytest.raises(SchemaError, match=r"^E/1:1: \(shop.masked\) is true or false$"):
        FORMATS["protobuf"].parse("E/1", text.replace("%", "1"), "E", references)


def test_a_field_that_is_optional_may_have_a_neighbour_with_an_underscore() -> None:
    found = FORMATS["protobuf"].parse(
        "E/1", 'syntax = "proto3"; message E { optional int32 x = 1; int32 _x = 2; }', "E"
    )
    assert found.decode(found.encode({"x": 0, "_x": 3})) == {"x": 0, "_x": 3}
