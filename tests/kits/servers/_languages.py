"""The services of demo/other-languages, built from their lock files."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from servers._download import REPOSITORY, Download, run
from servers._tools import tool

SOURCES = REPOSITORY / "demo" / "other-languages"
_STAMP = "built"
_NPM = ("npm", "ci", "--no-audit", "--no-fund", "--silent")
# How each is built, and run, within its folder; the first word is a program to be found.
_BUILD: Mapping[str, Sequence[str]] = {
    "java": ("mvn", "-q", "-B", "package"),
    "go": ("go", "build", "-o", "billing", "."),
    "node": _NPM,
    "node-rabbitmq": _NPM,
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
    "node-rabbitmq": ("node", "billing.js"),
}


def language_command(language: str) -> tuple[list[str], Path]:
    """How to run a service, and the folder to run it in; `language` is `java`, `go`, `node` or `node-rabbitmq`.

    Raises:
        UnavailableError: Its toolchain is missing, or its build fails.
    """
    folder = LANGUAGES[language].get().parent
    program, *arguments = _RUN[language]
    return [program if program.startswith("./") else tool(program), *arguments], folder


def _service(language: str) -> Download:
    def fill(part: Path) -> None:
        shutil.copytree(SOURCES / language, part, ignore=_not_source, dirs_exist_ok=True)
        run(
            _BUILD[language],
            part,
            f"{_BUILD[language][0]} can't build the {language} service",
            {**os.environ, "CGO_ENABLED": "0"},  # no C compiler needed
        )
        (part / _STAMP).touch()

    # Two checkouts may share a cache and differ in their sources.
    folder = f"other-language-{language}-{_digest(SOURCES / language)[:12]}"
    return Download(f"the service in {language.capitalize()}", folder, _STAMP, _BUILD[language][:1], fill)


def _not_source(_folder: str, names: list[str]) -> set[str]:
    return {"target", "node_modules"}.intersection(names)


def _digest(folder: Path) -> str:
    """What the sources of a service are; another one builds it anew."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _not_source("", list(path.relative_to(folder).parts)):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


LANGUAGES: Mapping[str, Download] = {language: _service(language) for language in _BUILD}
