"""RabbitMQ for a run: a server of its own, or one that is there; and what the demo needs on it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx
import pika

from orderflow.platform import Subscription
from orderflow.platform.settings import SettingsError, qualified
from orderflow.runner.children import Child, Children, listens, unused_port
from orderflow.runner.errors import EXIT_UNREACHABLE, DemoError

UNHEARD = "unheard"
"""Exchange and queue for events that nobody listens to: RabbitMQ hands them back to whoever publishes them otherwise."""

_DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on PATH insists on Debian's user
_SECONDS = 5.0
_START_SECONDS = 180.0  # Erlang takes its time on a busy machine
_PORTS = {"amqp": ("http", 15672), "amqps": ("https", 15671)}


@dataclass(frozen=True, slots=True)
class RabbitMQ:
    """A virtual host of a server.

    Attributes:
        url: `amqp://user:password@host:port/vhost`.
        management: Base URL of the management API.
        namespace: Prefix of this run's exchanges and queues.
    """

    url: str
    management: str
    namespace: str

    @property
    def shown(self) -> str:
        """Where it is, without user and password."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def name(self, name: str) -> str:
        """The name of an exchange or queue on it."""
        return qualified(self.namespace, name)

    @property
    def stream(self) -> str:
        """The collector's stream."""
        return self.name("flowtrail.events")

    def create_exchanges(self, topics: Sequence[str]) -> None:
        """Declare an exchange for each topic; what no queue takes of it goes to a queue that keeps nothing.

        Raises:
            DemoError: The server can't be reached, or refuses (exit code 3).
        """
        unheard = self.name(UNHEARD)
        with self._channel() as channel:
            channel.exchange_declare(unheard, "fanout", durable=True)
            channel.queue_declare(unheard, durable=True, arguments={"x-message-ttl": 0})
            channel.queue_bind(unheard, unheard)
            for topic in topics:
                arguments = {"alternate-exchange": unheard}
                channel.exchange_declare(self.name(topic), "topic", durable=True, arguments=arguments)

    def create_queues(self, subscriptions: Iterable[Subscription]) -> None:
        """Declare the queues that the library would declare when the services start, with the same names.

        Raises:
            DemoError: The server can't be reached, or refuses (exit code 3).
        """
        with self._channel() as channel:
            for topic, service, types in subscriptions:
                exchange = self.name(topic)
                queue = f"{exchange}.{self.name(service)}"
                channel.queue_declare(queue, durable=True, arguments=self._of_queue())
                for kind in types:
                    channel.queue_bind(queue, exchange, kind)

    def _of_queue(self) -> dict[str, Any]:
        version = str(
            (self._manage("GET", "overview?columns=rabbitmq_version") or {}).get("rabbitmq_version", "")
        )
        # Since 4.0 a message that came back twenty times is dropped.
        limit = {"x-delivery-limit": -1} if version.partition(".")[0] not in ("", "3") else {}
        return {"x-queue-type": "quorum", **limit}

    def publish(self, topic: str, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish one message as it is.

        Raises:
            DemoError: The server didn't take it.
        """
        properties = pika.BasicProperties(content_type="application/json", headers=dict(headers))
        with self._channel() as channel:
            channel.confirm_delivery()
            channel.basic_publish(self.name(topic), kind, body, properties, mandatory=True)

    def is_followed(self) -> bool:
        """Whether the collector's stream is bound with all that queues of this run are bound with."""
        found = self._manage("GET", f"bindings/{self._vhost}") or ()
        bound: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
        for each in found:
            if each["source"] and each["source"].startswith(self.name("")):
                key = "" if each["source"] == self.name(UNHEARD) else each["routing_key"]  # it takes any
                bound[each["destination"] == self.stream].add((each["source"], key))
        return bool(bound[False]) and bound[False] <= bound[True]

    def remove_run(self) -> None:
        """Delete this run's exchanges and queues from a server that others use too, as far as it lets us."""
        for kind in ("queues", "exchanges"):
            for each in self._manage("GET", f"{kind}/{self._vhost}?columns=name") or ():
                if each["name"].startswith(self.name("")):
                    self._manage("DELETE", f"{kind}/{self._vhost}/{quote(each['name'], safe='')}")

    @property
    def _vhost(self) -> str:
        return quote(unquote(urlsplit(self.url).path[1:]) or "/", safe="")

    def _manage(self, method: str, path: str) -> Any:
        """What the management API answers; None if it doesn't, or refuses."""
        parts = urlsplit(self.url)
        user = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        try:
            url = f"{self.management}/api/{path}"
            answer = httpx.request(method, url, auth=user, timeout=_SECONDS, trust_env=False)
            return answer.json() if answer.is_success and answer.content else None
        except (httpx.HTTPError, ValueError):
            return None

    @contextlib.contextmanager
    def _channel(self) -> Iterator[Any]:
        try:
            parameters = pika.URLParameters(self.url)
            parameters.socket_timeout = parameters.stack_timeout = _SECONDS
            connection = pika.BlockingConnection(parameters)
            try:
                yield connection.channel()
            finally:
                if connection.is_open:
                    connection.close()
        except (pika.exceptions.AMQPError, OSError, ValueError) as error:
            raise DemoError(
                f"no RabbitMQ at {self.shown} that takes this ({_reason(error)}): start one, correct RABBITMQ_URL, or unset"
                " it to have one started",
                EXIT_UNREACHABLE,
            ) from None


def given(environment: Mapping[str, str], namespace: str) -> RabbitMQ | None:
    """The server in `RABBITMQ_URL`, if one is named; its management API is where `RABBITMQ_MANAGEMENT_URL` says.

    Raises:
        SettingsError: It is no address of RabbitMQ.
    """
    url = environment.get("RABBITMQ_URL", "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise SettingsError("RABBITMQ_URL is amqp://user:password@host:5672/vhost, or amqps:// with TLS")
    scheme, port = _PORTS[parts.scheme]
    usual = f"{scheme}://{parts.hostname}:{port}"
    return RabbitMQ(url, environment.get("RABBITMQ_MANAGEMENT_URL", "").rstrip("/") or usual, namespace)


def start_server(children: Children, folder: Path, environment: Mapping[str, str]) -> RabbitMQ:
    """Start a server with its own data, on loopback; it ends, and everything in it goes, with the run.

    Raises:
        DemoError: It isn't installed (exit code 3), or didn't start.
    """
    program = str(_DEBIAN) if _DEBIAN.exists() else shutil.which("rabbitmq-server")
    epmd = shutil.which("epmd")
    if program is None or epmd is None:
        raise DemoError(
            f"no {'RabbitMQ' if program is None else 'epmd'} here: install it (Debian, Ubuntu: apt install"
            " rabbitmq-server; macOS: brew install rabbitmq), or set RABBITMQ_URL to a server that runs",
            EXIT_UNREACHABLE,
        )
    home = folder / "rabbitmq"
    home.mkdir()
    ports = {name: unused_port() for name in ("amqp", "management", "stream", "dist", "epmd")}
    settings = {**environment, **_settings(home, ports)}
    # Erlang's register of nodes: one of its own, since what a server starts of it would stay behind.
    names = children.start("epmd", [epmd, "-address", "127.0.0.1", "-port", str(ports["epmd"])], settings, -1)
    names.wait_until(lambda: listens(ports["epmd"]))
    # Where it works it leaves what it held when it was killed.
    server: Child = children.start("rabbitmq", [program], settings, folder=home)
    server.wait_for("Server startup complete", _START_SECONDS)
    address = f"amqp://guest:guest@127.0.0.1:{ports['amqp']}/%2F"
    return RabbitMQ(address, f"http://127.0.0.1:{ports['management']}", "")


def _settings(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    (home / "plugins").write_text("[rabbitmq_management,rabbitmq_stream].\n")
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{ports['amqp']}\n"
        "management.tcp.ip = 127.0.0.1\n"
        f"management.tcp.port = {ports['management']}\n"
        f"stream.listeners.tcp.1 = 127.0.0.1:{ports['stream']}\n"
        # Seconds of a queue are as fresh as its counts.
        "collect_statistics_interval = 1000\n"
        "management.db_cache_multiplier = 0\n"
        "management.sample_retention_policies.global.minute = 1\n"
        "management.sample_retention_policies.basic.minute = 1\n"
        "management.sample_retention_policies.detailed.minute = 1\n"
    )
    return {
        "HOME": str(home),  # where the cookie is
        # The start script becomes the server: else it stays between, and a signal ends only the script.
        "RUNNING_UNDER_SYSTEMD": "1",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_NODENAME": f"orderflow-{ports['amqp']}@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
        "RABBITMQ_DIST_PORT": str(ports["dist"]),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        # Schedulers that have nothing to do don't spin: services and collector use the processors too.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
