"""A real Apache Kafka: KRaft, broker and controller in one JVM, from Maven Central's jars."""

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from servers._coordinators import is_ready
from servers._jars import jars
from servers._process import ManagedProcess, Server, ServerFailedError, free_port
from servers._tools import tool
from waiting import scaled

VERSION = "4.1.0"
_POM = Path(__file__).parent / "kafka" / "pom.xml"
# A short-lived server: the first JIT tier and the simplest collector start fastest.
_JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


JARS = jars(f"Apache Kafka {VERSION}", f"kafka-{VERSION}", _POM)


class KafkaServer(Server):
    """One Kafka server with its own data folder; it keeps folder and port over restarts.

    Args:
        folder: where data, configuration and output go.
        properties: settings added to (or replacing) those of `server.properties`.
        alone: wait for its coordinators too; not before the other brokers of its cluster are there, because the
            internal topics, which come with the first question for a coordinator, should lie on all of them.

    Raises:
        UnavailableError: Java or the jars can't be had.
    """

    node_id = 1

    def __init__(
        self, folder: Path, properties: Mapping[str, str] | None = None, *, alone: bool = True
    ) -> None:
        super().__init__()
        self._folder = folder
        self._extra = dict(properties or {})
        self._alone = alone
        self._java = tool("java")
        self._classpath = f"{JARS.get()}{os.sep}*"
        self.port = 0

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, known once it has been started."""
        return f"127.0.0.1:{self.port}"

    def restart(self) -> None:
        """Stop and start on the same data and port."""
        self.stop()
        self.start()

    def _attempt(self, number: int) -> ManagedProcess:
        self.port = free_port()
        return self._prepare(self._folder / f"try-{number}")

    def _prepare(self, folder: Path) -> ManagedProcess:
        folder.mkdir(parents=True)
        settings = folder / "server.properties"
        lines = (f"{name}={value}\n" for name, value in {**self._properties(folder), **self._extra}.items())
        settings.write_text("".join(lines))
        formatted = subprocess.run(
            [*self._command(folder), "kafka.tools.StorageTool", "format", "--standalone",
             "-t", _cluster_id(), "-c", str(settings)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=scaled(120),
            check=False,
        )  # fmt: skip
        if formatted.returncode != 0:
            raise ServerFailedError(f"Kafka can't format {folder}: {formatted.stdout}{formatted.stderr}")
        return self._process_in(folder)

    def _process_in(self, folder: Path) -> ManagedProcess:
        return ManagedProcess(
            "kafka",
            [*self._command(folder), "kafka.Kafka", str(folder / "server.properties")],
            ready=lambda: is_ready(self.port, self.node_id, coordinators=self._alone),
            output=folder / "kafka.log",
            timeout_seconds=90,
        )

    def _command(self, folder: Path) -> list[str]:
        return [self._java, *_JAVA_OPTIONS, f"-Dkafka.logs.dir={folder}", "-cp", self._classpath]

    def _properties(self, folder: Path) -> dict[str, str]:
        controller = free_port()
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(folder / "data"),
            # After kill -9 the same broker is let in again only when its old session is over.
            "broker.session.timeout.ms": str(int(min(scaled(3), 9) * 1000)),
            "broker.heartbeat.interval.ms": "500",
            "num.partitions": "3",
            "auto.create.topics.enable": "true",
            # With 0 a client can miss the assignment made while it was still joining.
            "group.initial.rebalance.delay.ms": "250",
            "group.min.session.timeout.ms": "500",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "2",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "log.cleaner.dedupe.buffer.size": "4194304",
            "log.index.size.max.bytes": "1048576",
            "num.network.threads": "2",
            "num.io.threads": "2",
            "background.threads": "2",
        }


def _cluster_id() -> str:
    # The first bits are set to "F": a leading "-" would read as an option on the command line.
    return base64.urlsafe_b64encode(b"\x14" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
