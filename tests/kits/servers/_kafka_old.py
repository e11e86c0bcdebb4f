"""A real Apache Kafka 0.10 with its ZooKeeper: the last whose messages have no headers."""

import os
from pathlib import Path

from servers._jars import jars
from servers._process import ManagedProcess, free_port, listens
from servers._tools import tool

VERSION = "0.10.2.2"
_POM = Path(__file__).parent / "kafka_0_10" / "pom.xml"


JARS = jars(f"Apache Kafka {VERSION}", f"kafka-{VERSION}", _POM)


class OldKafkaServer:
    """One broker and its ZooKeeper.

    Args:
        folder: where data, configuration and output go.

    Raises:
        UnavailableError: Java or the jars can't be had.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, keeper_port = free_port(), free_port()
        keeper = folder / "zookeeper.properties"
        keeper.write_text(f"dataDir={folder}/zookeeper\nclientPort={keeper_port}\nmaxClientCnxns=0\n")
        broker = folder / "server.properties"
        broker.write_text(
            f"broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{self.port}\nlog.dirs={folder}/data\n"
            f"zookeeper.connect=127.0.0.1:{keeper_port}\nnum.partitions=1\n"
            "offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\n"
        )
        java = [tool("java"), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-cp", f"{JARS.get()}{os.sep}*"]  # fmt: skip
        self._processes = [
            ManagedProcess(
                "zookeeper",
                [*java, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(keeper)],
                ready=lambda: listens(keeper_port),
                output=folder / "zookeeper.log",
                timeout_seconds=30,
            ),
            ManagedProcess(
                "kafka 0.10",
                [*java, "kafka.Kafka", str(broker)],
                ready=lambda: listens(self.port),
                output=folder / "kafka.log",
                timeout_seconds=60,
            ),
        ]

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both and wait until they listen.

        Raises:
            ServerFailedError: one doesn't come up.
        """
        for process in self._processes:
            process.start()

    def kill(self) -> None:
        """`kill -9`."""
        for process in reversed(self._processes):
            process.kill()
