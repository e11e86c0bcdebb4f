"""A real nginx (Debian's package `nginx-light`) in front of what a test serves."""

from __future__ import annotations

from pathlib import Path

from servers._process import ManagedProcess, free_port, listens, started
from servers._tools import tool

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
{locations}
  }}
}}
"""


class NginxServer:
    """One nginx with its own folder.

    Args:
        folder: where configuration and output go.
        locations: the `location` blocks of its server.

    Raises:
        UnavailableError: it isn't installed.
    """

    def __init__(self, folder: Path, locations: str) -> None:
        self._program = tool("nginx")
        self._folder = folder
        self._locations = locations
        self._port = 0
        self._process: ManagedProcess | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Base URL, known once it has been started."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerFailedError: it doesn't come up.
        """
        self._process = started(self._prepare)

    def kill(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()

    def _prepare(self, _attempt: int) -> ManagedProcess:
        self._port = free_port()
        values = {"folder": self._folder, "port": self._port, "locations": self._locations}
        configuration = self._folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(**values))
        return ManagedProcess(
            "nginx",
            [self._program, "-p", str(self._folder), "-c", str(configuration)],
            ready=lambda: listens(self._port),
            output=self._folder / "nginx.log",
            timeout_seconds=30,
        )
