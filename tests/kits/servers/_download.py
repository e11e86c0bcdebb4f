"""What servers need from elsewhere: fetched or built once, kept in build/servers, never seen half done."""

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers._tools import UnavailableError, tool

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / "build" / "servers"
BUILT = frozenset({"target", "node_modules"})
"""Folders of what is built of sources beside them."""


class FetchedInATestError(AssertionError):
    """A test asks for something that it didn't declare, so that it would be fetched within its time."""


@dataclass(frozen=True)
class Download:
    """One thing to have.

    Args:
        title: what people call it.
        folder: its folder in the cache; another version needs another name.
        entry: the file or folder in it that its users need.
        programs: what fetching it takes; looked for on the PATH.
        fill: fetches it into an empty folder, and raises `UnavailableError` with the reason if it can't.
    """

    title: str
    folder: str
    entry: str
    programs: Sequence[str]
    fill: Callable[[Path], None]

    @property
    def path(self) -> Path:
        """Where its entry is, or will be."""
        return CACHE / self.folder / self.entry

    def present(self) -> bool:
        """Whether it is there, whole."""
        return self.path.exists()

    def get(self) -> Path:
        """Fetch it unless it is there; the path of its entry.

        Several processes may ask at once: one fetches, the others wait for it.

        Raises:
            UnavailableError: it can't be had; the message says why.
            FetchedInATestError: a test runs, and hasn't declared it.
        """
        _Rules.check(self)
        with _lock(self.folder):
            if self.present():
                return self.path
            if self.folder in _Rules.failures:
                raise UnavailableError(_Rules.failures[self.folder])
            for program in self.programs:
                tool(program)
            part = CACHE / f"{self.folder}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            self.fill(part)
            target = CACHE / self.folder
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
            return self.path


class _Rules:
    """What the run of tests allows; outside of one anything may be fetched."""

    declared: frozenset[str] | None = None
    failures: Mapping[str, str] = {}

    @classmethod
    def check(cls, download: Download) -> None:
        if cls.declared is not None and download.folder not in cls.declared:
            raise FetchedInATestError(
                f"{download.title} is not declared: name it in pytest.mark.fetches, or its fixture in "
                "servers.FETCHED_BY_FIXTURE, so that it is fetched before the first test"
            )


def allow(downloads: Sequence[Download] | None) -> None:
    """From now on only these may be asked for (None: any)."""
    _Rules.declared = None if downloads is None else frozenset(one.folder for one in downloads)


def remember_failures(reasons: Mapping[str, str]) -> None:
    """What couldn't be fetched before the first test, by folder: nobody tries again."""
    _Rules.failures = dict(reasons)


def run(command: Sequence[str], folder: Path, what: str, env: Mapping[str, str] | None = None) -> None:
    """Run a program that fetches or builds, for as long as it takes.

    Raises:
        UnavailableError: it fails; the message ends with the most telling line of what it wrote.
    """
    done = subprocess.run(
        [tool(command[0]), *command[1:]],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UnavailableError(f"{what}: {_reason(done.stdout + done.stderr)}")


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    return next((line for line in lines if "error" in line.lower()), lines[-1])[:300]


@contextmanager
def _lock(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpack(folder: Path) -> None:
    """Unpack the one archive in a folder, and remove it.

    Raises:
        UnavailableError: there is none.
    """
    archives = [*folder.glob("*.tar.gz"), *folder.glob("*.tgz")]
    if not archives:
        raise UnavailableError(f"no archive came for {folder.name.removesuffix('.part')}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    archives[0].unlink()


def digest_of(folder: Path) -> str:
    """What the sources in a folder are: checkouts that share a cache may differ in them."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and BUILT.isdisjoint(path.relative_to(folder).parts):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
