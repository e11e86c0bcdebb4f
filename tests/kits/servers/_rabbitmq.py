"""A real RabbitMQ: Debian's `rabbitmq-server`, with an epmd of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from servers._process import ManagedProcess, Server, ServerFailedError, free_port, listens
from servers._tools import UnavailableError, tool
from waiting import scaled

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # those on PATH insist on Debian's user
PLUGINS = ("rabbitmq_management", "rabbitmq_stream", "rabbitmq_consistent_hash_exchange")
_GUEST = "guest"  # its password too; loopback only, and gone with the tests


class RabbitServer(Server):
    """One RabbitMQ server with its own data folder; it keeps folder and ports over restarts.

    Args:
        folder: where data, configuration and output go.
        plugins: what is enabled in it.
        features: the feature flags that it begins with; None for all.

    Raises:
        UnavailableError: it isn't installed.
    """

    def __init__(
        self, folder: Path, *, plugins: Sequence[str] = PLUGINS, features: Sequence[str] | None = None
    ) -> None:
        if not (_PROGRAMS / "rabbitmq-server").exists():
            raise UnavailableError("RabbitMQ is not installed (Debian: rabbitmq-server)")
        super().__init__()
        self._epmd_program = tool("epmd")
        self._folder = folder
        self._plugins = plugins
        self._features = features
        self._epmd: ManagedProcess | None = None
        self._env: dict[str, str] = {}
        self.port = self.management_port = self._stream_port = 0

    @property
    def url(self) -> str:
        """URL of its first virtual host."""
        return self.url_of()

    def url_of(self, vhost: str = "/", user: str = _GUEST, password: str = _GUEST) -> str:
        """URL of a virtual host for a user."""
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{urllib.parse.quote(vhost, safe='')}"

    def close(self) -> None:
        """End it, and its epmd."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl`; what it printed.

        Raises:
            ServerFailedError: it failed.
        """
        command = [str(_PROGRAMS / "rabbitmqctl"), "-q", *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=scaled(60),
            check=False,
        )
        if done.returncode != 0:
            raise ServerFailedError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the management API; what it answered, None for an empty answer.

        Args:
            method: as in HTTP.
            path: below `/api/`, quoted already.
            body: sent as JSON.

        Raises:
            urllib.error.HTTPError: it refused.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management_port}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(f"{_GUEST}:{_GUEST}".encode()).decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=scaled(20)) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    @property
    def has_alarm(self) -> bool:
        """Whether it is short of memory or disk, and takes no messages."""
        try:
            self.manage("GET", "health/checks/local-alarms")
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code == 503
        return False

    def user(self, name: str, *, configure: str, write: str, read: str, vhost: str = "/") -> str:
        """Make a user that may do only what these patterns allow; its URL."""
        self.manage("PUT", f"users/{name}", {"password": name, "tags": ""})
        quoted = urllib.parse.quote(vhost, safe="")
        self.manage(
            "PUT", f"permissions/{quoted}/{name}", {"configure": configure, "write": write, "read": read}
        )
        return self.url_of(vhost, name, name)

    def _attempt(self, number: int) -> ManagedProcess:
        if self._epmd is not None:
            self._epmd.kill()
        folder = self._folder / f"try-{number}"
        folder.mkdir(parents=True)
        self.port, self.management_port, self._stream_port = free_port(), free_port(), free_port()
        epmd_port = free_port()
        self._epmd = ManagedProcess(
            "epmd",
            [self._epmd_program, "-address", "127.0.0.1", "-port", str(epmd_port)],
            ready=lambda: listens(epmd_port),
            output=folder / "epmd.log",
        )
        self._epmd.start()
        self._env = self._environment(folder, epmd_port)
        return ManagedProcess(
            "rabbitmq",
            [str(_PROGRAMS / "rabbitmq-server")],
            ready=self._ready,
            output=folder / "rabbitmq.log",
            env=self._env,
            cwd=folder,
            timeout_seconds=120,
        )

    def _environment(self, folder: Path, epmd_port: int) -> dict[str, str]:
        (folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self.management_port}\n"
            + (
                f"stream.listeners.tcp.1 = 127.0.0.1:{self._stream_port}\n"
                if "rabbitmq_stream" in self._plugins
                else ""
            )
            + "collect_statistics_interval = 1000\n"
            # Else an answer of the management API is given again for five times as long as it took.
            "management.db_cache_multiplier = 0\n"
            # The management API looks at what queues tell as often as its finest samples ask for.
            "management.sample_retention_policies.global.minute = 1\n"
            "management.sample_retention_policies.basic.minute = 1\n"
            "management.sample_retention_policies.detailed.minute = 1\n"
            "max_message_size = 1000000\n"
        )
        features = {} if self._features is None else {"RABBITMQ_FEATURE_FLAGS": ",".join(self._features)}
        return {
            **features,
            "HOME": str(folder),  # where the cookie is
            # The start script becomes the server: else it stays between, and dies without it.
            "RUNNING_UNDER_SYSTEMD": "1",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"flowtrail-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            # One scheduler, which doesn't spin: other tests use the processors too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _ready(self) -> bool:
        try:
            return bool(self.manage("GET", "health/checks/port-listener/" + str(self.port)))
        except (OSError, urllib.error.URLError):
            return False
