"""What judges documents, from npm: AsyncAPI's own parser, EventCatalog's own linter."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from servers._download import Download, digest_of, run
from servers._tools import tool

_SOURCES = Path(__file__).parent / "documents"
_PROGRAM = Path(__file__).parent / "asyncapi.mjs"
_SECONDS = 120


def _fill(part: Path) -> None:
    shutil.copytree(_SOURCES, part, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    run(command, part, "npm can't fetch the parser of AsyncAPI")


JUDGES = Download(
    "AsyncAPI's parser and EventCatalog's linter", f"documents-{digest_of(_SOURCES)[:12]}", "node_modules",
    ("npm", "node"), _fill,
)  # fmt: skip


def asyncapi_parsed(file: Path, slowness: float = 1.0) -> dict[str, Any]:
    """What AsyncAPI's parser says of a document: `problems`, and what it understands.

    Raises:
        UnavailableError: It can't be had.
    """
    done = subprocess.run(
        [tool("node"), str(_PROGRAM), str(JUDGES.get().parent), str(file)],
        capture_output=True, text=True, timeout=_SECONDS * slowness, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def eventcatalog_linted(folder: Path, slowness: float = 1.0) -> tuple[int, str]:
    """The exit code of EventCatalog's linter, for which a warning is a failure, and what it writes.

    Raises:
        UnavailableError: It can't be had.
    """
    program = JUDGES.get() / "@eventcatalog" / "linter" / "dist" / "cli" / "index.js"
    done = subprocess.run(
        [tool("node"), str(program), "--fail-on-warning", "--verbose", str(folder)],
        capture_output=True, text=True, timeout=_SECONDS * slowness, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
