"""Protobuf: required fields that are missing, named where the runtime would end the process over them."""

import os
import random
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import message_factory

from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError
from waiting import scaled

Path = tuple[str, ...]
Field = tuple[str, str, str]
"""Label or kind of a map's keys, type, name; its place in the message is its number."""
KEYS: dict[str, list[Any]] = {"bool": [True, False], "sint32": [0, -1, 2**31 - 1], "string": ["", "k", "ü"]}


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*made, number])


def framed(number: int, inner: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(inner)) + inner


class Kinds:
    """Messages of random fields, and payloads of them that lack some."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        names = [f"M{at}" for at in range(chance.randint(1, 4))]
        self.fields: dict[str, list[Field]] = {name: self._fields(names) for name in ("E", *names)}

    def _fields(self, names: list[str]) -> list[Field]:
        labels = ["required", "optional", "repeated", *KEYS]
        kinds = ["int32", *names]
        return [(self.chance.choice(labels), self.chance.choice(kinds), f"f{number}")
                for number in range(1, self.chance.randint(2, 7))]  # fmt: skip

    @property
    def text(self) -> str:
        def shown(label: str, kind: str) -> str:
            return f"map<{label}, {kind}>" if label in KEYS else f"{label} {kind}"

        messages = (
            f"message {message} {{ "
            + " ".join(f"{shown(*field[:2])} {field[2]} = {at};" for at, field in enumerate(fields, 1))
            + " }"
            for message, fields in self.fields.items()
        )
        return 'syntax = "proto2"; ' + " ".join(messages)

    def payload(self, message: str, path: Path = ()) -> tuple[bytes, list[Path]]:
        """Bytes of a message, and the paths of what is missing in them."""
        made, missing = b"", list[Path]()
        present = self.chance.choice([0.3, 0.7, 0.95]) if len(path) < 5 else 0
        for number, (label, kind, name) in enumerate(self.fields[message], 1):
            if self.chance.random() >= present:
                missing += [(*path, name)] if label == "required" else []
                continue
            keys: list[Any] = KEYS.get(label) or ([0, 1] if label == "repeated" else [None])
            for key in keys[: self.chance.randint(1, 3)]:
                place = () if key is None else (str(key),)
                more, lacking = self._item(number, label, kind, key, (*path, name, *place))
                made, missing = made + more, missing + lacking
        return made, missing

    def _item(self, number: int, label: str, kind: str, key: Any, path: Path) -> tuple[bytes, list[Path]]:
        if kind == "int32":
            inner, lacking = b"\x07", []
        else:
            inner, lacking = self.payload(kind, path)
        if label not in KEYS:
            return (varint(number << 3) + inner if kind == "int32" else framed(number, inner)), lacking
        if label == "string":
            entry = framed(1, key.encode())
        else:
            entry = b"\x08" + varint(int(key) if label == "bool" else key << 1 ^ key >> 31)
        return framed(number, entry + (b"\x10" + inner if kind == "int32" else framed(2, inner))), lacking


def parsed(text: str) -> Any:
    return FORMATS["protobuf"].parse("E/1", text, "E")


def check(seed: int) -> int:
    """Payloads of one set of messages; how many of them lacked something."""
    chance = random.Random(seed)
    kinds = Kinds(chance)
    contract, theirs = (parsed(kinds.text) for _ in range(2))
    found = 0
    for _ in range(12):
        payload, missing = kinds.payload("E")
        context = seed, kinds.text, payload.hex(), missing
        for lines in (_of_payload(contract, payload), _of_message(contract, theirs, payload)):
            assert {*lines} <= {".".join(path) for path in missing}, (lines, context)
            assert len(lines) == min(5, len(missing)), (lines, context)
        found += bool(missing)
        for _ in range(12):
            at, byte = chance.randrange(len(payload) + 1), chance.randbytes(1)
            for mutated in (payload[:at], payload[:at] + byte + payload[at + 1 :]):
                with suppress(DecodeError):
                    contract.decode(mutated)
    return found


def _of_payload(contract: Any, payload: bytes) -> list[str]:
    try:
        contract.decode(payload)
    except DecodeError as error:
        return str(error).removeprefix("doesn't fit E: it lacks ").split(", ")
    return []


def _of_message(contract: Any, theirs: Any, payload: bytes) -> list[str]:
    message = message_factory.GetMessageClass(theirs.descriptor).FromString(payload)
    lines: list[str] = []
    try:
        contract.encode(message)
    except BrokenError as error:
        lines = error.lines
    assert contract.broken_writing(message) == lines
    assert all(line.endswith(": required") for line in lines), lines
    return [line.removesuffix(": required") for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 1_000])
def test_what_is_missing_is_named_and_ends_nobody(start: int) -> None:
    """In a process of its own, since what is feared is its end."""
    done = subprocess.run(
        [sys.executable, __file__, str(start)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=scaled(120), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 500


def test_a_class_that_demands_less_does_not_write_what_no_reader_takes() -> None:
    entry = "map<int32, int32> n = 1; map<bool, L> s = 2;"
    contract, older = (
        parsed(f'syntax = "proto2"; message E {{ {entry} }} message L {{ {inner} }}')
        for inner in ("required int32 qty = 1;", "optional int32 qty = 1;")
    )
    message: Any = message_factory.GetMessageClass(older.descriptor)(n={7: 24})
    message.s[True].SetInParent()
    assert contract.broken_writing(message) == ["s.True.qty: required"]
    message.s[True].qty = 3
    assert contract.decode(contract.encode(message)) == {"n": {7: 24}, "s": {True: {"qty": 3}}}


if __name__ == "__main__":
    print(sum(check(seed) for seed in range(int(sys.argv[1]), int(sys.argv[1]) + 100)))
