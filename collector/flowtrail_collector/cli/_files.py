"""Files that commands write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowtrail_collector.cli._errors import EXIT_USAGE, Failure

__all__ = ["write_new", "write_tree"]

_LIST = ".flowtrail-files"
"""Names the files of a folder that an export wrote."""


def write_new(path: Path, text: str) -> None:
    """Write a file that `--output` names; one that is there stays.

    Raises:
        Failure: It can't be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(
            f"--output {path}: the file already exists: remove it, or name another one", EXIT_USAGE
        ) from None
    except OSError as error:
        raise Failure(f"--output {path}: {error.strerror}", EXIT_USAGE) from None


def write_tree(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder, in place of those that were written there before; all others stay.

    Args:
        folder: Made if it isn't there.
        files: Texts by their paths within it.

    Raises:
        Failure: One is there that wasn't written here, or can't be written.
    """
    listed = folder / _LIST
    try:
        before = set(listed.read_text(encoding="utf-8").splitlines()) if listed.exists() else set()
        for name in sorted(files):
            if name not in before and (folder / name).exists():
                message = (
                    f"{folder / name} already exists and wasn't written by an export: choose another folder"
                )
                raise Failure(message, EXIT_USAGE)
        folder.mkdir(parents=True, exist_ok=True)
        # The list first: whatever ends the process, the next export knows which files are its own.
        listed.write_text("".join(f"{name}\n" for name in sorted(before.union(files))), encoding="utf-8")
        for name in sorted(before.difference(files)):
            _own(folder, name).unlink(missing_ok=True)
        for name, text in files.items():
            path = _own(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        listed.write_text("".join(f"{name}\n" for name in sorted(files)), encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(f"{folder}: {reason}", EXIT_USAGE) from None


def _own(folder: Path, name: str) -> Path:
    """A file of the folder; the list may have been changed by others."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{_LIST} names {name}, which lies outside: remove that line")
    return path
