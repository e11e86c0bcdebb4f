"""Who else judges changes: Avro's library for Java, buf, and a registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from contractkit._changes import Case
from servers._avro import JARS
from servers._tools import tool
from waiting import scaled

_PROGRAM = Path(__file__).parent / "AvroCompatibility.java"


def of_java(cases: Sequence[Case]) -> list[tuple[bool, bool]]:
    """Whether readers of new can read old, and readers of old new, by Avro's `SchemaCompatibility`.

    Raises:
        UnavailableError: Java or the library can't be had.
    """
    jars = f"{JARS.get()}/*"
    pairs = "".join(json.dumps(list(case.texts["avro"])) + "\n" for case in cases)
    done = subprocess.run(
        [tool("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars, str(_PROGRAM)],
        input=pairs, capture_output=True, text=True, timeout=scaled(120), check=True,
    )  # fmt: skip
    return [(line.split()[0] == "true", line.split()[1] == "true") for line in done.stdout.splitlines()]


def of_buf(cases: Sequence[Case], folder: Path, category: str) -> list[list[str]]:
    """The rules of a category that `buf breaking` says each change breaks; offline, in one run."""
    for side in (0, 1):
        (folder / str(side)).mkdir(parents=True)
        (folder / str(side) / "buf.yaml").write_text(
            f"version: v2\nbreaking:\n  use: [{category}]\n", "utf-8"
        )
        for number, case in enumerate(cases):
            text = case.texts["protobuf"][side].replace("package shop;", f"package c{number};")
            (folder / str(side) / f"c{number}.proto").write_text(text, "utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("buf")), "breaking", "1", "--against", "0", "--error-format=json"],
        cwd=folder, capture_output=True, text=True, timeout=scaled(120), check=False,
        env={"HOME": str(folder), "BUF_CACHE_DIR": str(folder / "cache"), "PATH": ""},
    )  # fmt: skip
    found: Mapping[int, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        said = json.loads(line)
        number = int(Path(said["path"]).stem.removeprefix("c"))
        found[number].append(said["type"])
        if said["type"] == "COMPILE":
            raise AssertionError(f"{cases[number].name}: {said['message']}")
    return [found[number] for number in range(len(cases))]


def of_registry(url: str, prefix: str, kind: str, texts: tuple[str, str]) -> tuple[bool, bool]:
    """Whether a registry lets a change pass at BACKWARD, and at FORWARD."""
    subject = f"{url}/subjects/{prefix}"
    bodies = [json.dumps({"schemaType": kind, "schema": text}).encode() for text in texts]
    _sent(f"{subject}/versions", "POST", bodies[0])
    verdicts = []
    for level in ("BACKWARD", "FORWARD"):
        _sent(f"{url}/config/{prefix}", "PUT", json.dumps({"compatibility": level}).encode())
        said = _sent(f"{url}/compatibility/subjects/{prefix}/versions/latest", "POST", bodies[1])
        verdicts.append(bool(said["is_compatible"]))
    return verdicts[0], verdicts[1]


def _sent(url: str, method: str, body: bytes) -> Any:
    request = Request(url, body, {"content-type": "application/vnd.schemaregistry.v1+json"}, method=method)
    with urlopen(request, timeout=scaled(30)) as answer:
        return json.load(answer)
