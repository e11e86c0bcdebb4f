"""A second broker beside a `KafkaServer`, so that one of two can go away."""

from collections.abc import Mapping
from pathlib import Path

from lagkit._proxy import SlowProxy
from servers import KafkaServer, ManagedProcess


class SecondBroker(KafkaServer):
    """Node 2 of another server's cluster; that one has to be running.

    Args:
        folder: where its files go.
        first: the server that holds the controller.
        proxy: clients are told to come through it, where there is one.
        properties: settings added to those of `server.properties`.
    """

    node_id = 2

    def __init__(
        self,
        folder: Path,
        first: KafkaServer,
        proxy: SlowProxy | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, properties)
        self._first = first
        self._proxy = proxy

    @property
    def listed_port(self) -> int:
        """The port that clients are told."""
        return self.port if self._proxy is None else self._proxy.port

    def _properties(self, folder: Path) -> dict[str, str]:
        theirs = _read(self._settings_of_first())
        if self._proxy is not None:
            self._proxy.target = self.port
        return {
            **super()._properties(folder),
            "process.roles": "broker",
            "node.id": str(self.node_id),
            "controller.quorum.bootstrap.servers": theirs["controller.quorum.bootstrap.servers"],
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.listed_port}",
            **self._extra,
        }

    def _prepare(self, folder: Path) -> ManagedProcess:
        data = folder / "data"
        data.mkdir(parents=True)
        cluster = _read(self._settings_of_first().parent / "data" / "meta.properties")["cluster.id"]
        # What formatting would write; Kafka's tool takes a JVM of its own for it.
        (data / "meta.properties").write_text(f"version=1\ncluster.id={cluster}\nnode.id=2\n")
        settings = folder / "server.properties"
        settings.write_text("".join(f"{k}={v}\n" for k, v in self._properties(folder).items()))
        return self._process_in(folder)

    def _settings_of_first(self) -> Path:
        return max(self._first._folder.glob("try-*/server.properties"))


def _read(properties: Path) -> dict[str, str]:
    lines = [line for line in properties.read_text().splitlines() if "=" in line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)
