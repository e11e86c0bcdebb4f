"""The services of demo/other-languages, built from their lock files."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers._tools import REPOSITORY, UnavailableError, cache_lock, tool

SOURCES = REPOSITORY / "demo" / "other-languages"
_STAMP = "built-from.sha256"
_BUILD_SECONDS = 600
# How each is built, and run, within its folder; the first word is a program to be found.
_BUILD: Mapping[str, Sequence[str]] = {
    "java": ("mvn", "-q", "-B", "package"),
    "go": ("go", "build", "-o", "billing", "."),
    "node": ("npm", "ci", "--no-audit", "--no-fund", "--silent"),
}
_RUN: Mapping[str, Sequence[str]] = {
    "java": (
        "java",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xmx128m",
        "-jar",
        "target/inventory.jar",
    ),
    "go": ("./billing",),
    "node": ("node", "orders.js"),
}


def install() -> Path:
    """Build those that have changed since they were built last, at the same time; the folder of all.

    Raises:
        UnavailableError: A toolchain is missing, or a build fails.
    """
    with ThreadPoolExecutor(len(_BUILD)) as pool:
        folders = list(pool.map(_build, _BUILD))
    return folders[0].parent


def language_command(language: str) -> tuple[list[str], Path]:
    """How to run a service, and the folder to run it in; `language` is `java`, `go` or `node`.

    Raises:
        UnavailableError: Its toolchain is missing, or its build fails.
    """
    folder = _build(language)
    program, *arguments = _RUN[language]
    return [program if program.startswith("./") else tool(program), *arguments], folder


def _build(language: str) -> Path:
    program, *arguments = _BUILD[language]
    stamp = _digest(SOURCES / language)
    with cache_lock(f"other-language-{language}") as folder:
        built_from = folder / _STAMP
        if built_from.is_file() and built_from.read_text() == stamp:
            return folder
        path = tool(program)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SOURCES / language, folder, ignore=_not_source)
        done = subprocess.run(
            [path, *arguments],
            cwd=folder,
            env={**os.environ, "CGO_ENABLED": "0"},  # no C compiler needed
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
            raise UnavailableError(f"{program} can't build the {language} service: {reason[0]}")
        built_from.write_text(stamp)
        return folder


def _not_source(_folder: str, names: list[str]) -> set[str]:
    return {"target", "node_modules"}.intersection(names)


def _digest(folder: Path) -> str:
    """What the sources of a service are; another one builds it anew."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _not_source("", list(path.relative_to(folder).parts)):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
