"""Other lag exporters, run beside ours when somebody has put them on PATH. None is installed from here.

Their settings are their own defaults, except for the address and whatever makes them look at every group. A
scrape of KMinion and kafka_exporter reads the cluster, so it is their collection; klag-exporter and Burrow
collect in the background, so the time until all groups are there is taken. Of those Burrow learns of commits
as they are written.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from servers import free_port

__all__ = ["Peer", "peers_on_path"]

SCRAPE_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Peer:
    """How one exporter is started and asked.

    Attributes:
        name: its program.
        command: makes the command line from bootstrap servers, port and a folder for its files.
        path: what is asked for on that port.
        lag_line: a line that begins with this shows a complete answer; counted against the pairs.
        environ: makes variables of its environment from the same.
        background: it collects in the background, so that a scrape isn't a collection.
    """

    name: str
    command: Callable[[str, int, Path], list[str]]
    lag_line: str
    path: str = "/metrics"
    environ: Callable[[str, int, Path], dict[str, str]] = field(default=lambda _b, _p, _f: {})
    background: bool = False

    @contextlib.contextmanager
    def running(self, bootstrap: str, folder: Path) -> Iterator[RunningPeer]:
        """Start it, and end it afterwards."""
        port = free_port()
        with (folder / f"{self.name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(bootstrap, port, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **self.environ(bootstrap, port, folder)},
            )
        try:
            yield RunningPeer(self, process, f"http://127.0.0.1:{port}{self.path}")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class RunningPeer:
    """A started exporter."""

    peer: Peer
    process: subprocess.Popen[bytes]
    url: str

    def scrape(self) -> tuple[float, int]:
        """Seconds of one scrape, and how many lag lines it had.

        Raises:
            OSError: it doesn't answer, or not in time.
        """
        began = time.perf_counter()
        with urllib.request.urlopen(self.url, timeout=SCRAPE_TIMEOUT_SECONDS) as answer:
            body = answer.read()
        took = time.perf_counter() - began
        return took, body.count(b"\n" + self.peer.lag_line.encode())

    def until(self, pairs: int, timeout_seconds: float, between: Callable[[], None]) -> float | None:
        """Seconds until a scrape shows so many pairs; None if that takes too long.

        Args:
            pairs: how many.
            timeout_seconds: how long is too long.
            between: called between two scrapes of a peer that collects in the background.
        """
        began = time.perf_counter()
        while time.perf_counter() - began < timeout_seconds and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.scrape()[1] >= pairs:
                    return time.perf_counter() - began
            if self.peer.background:
                between()
            time.sleep(0.5)
        return None

    def rss_mb(self) -> float:
        """Resident memory at present."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * 4096 / 1e6


def _kminion_environ(bootstrap: str, port: int, folder: Path) -> dict[str, str]:
    return {
        "KAFKA_BROKERS": bootstrap,
        "EXPORTER_HOST": "127.0.0.1",
        "EXPORTER_PORT": str(port),
        "MINION_CONSUMERGROUPS_ENABLED": "true",
        "MINION_CONSUMERGROUPS_SCRAPEMODE": "adminApi",
        "MINION_CONSUMERGROUPS_GRANULARITY": "partition",
    }


def _klag_command(bootstrap: str, port: int, folder: Path) -> list[str]:
    settings = folder / "klag.toml"
    settings.write_text(
        f'[exporter]\npoll_interval = "30s"\nhttp_port = {port}\nhttp_host = "127.0.0.1"\n'
        f'granularity = "partition"\n\n[[clusters]]\nname = "bench"\nbootstrap_servers = "{bootstrap}"\n'
    )
    return ["klag-exporter", "--config", str(settings)]


def _burrow_command(bootstrap: str, port: int, folder: Path) -> list[str]:
    home = folder / "burrow"
    home.mkdir(exist_ok=True)
    client = f'class-name="kafka"\nservers=["{bootstrap}"]\nclient-profile="bench"\n'
    (home / "burrow.toml").write_text(
        f'[general]\npidfile="{home}/pid"\n\n[client-profile.bench]\nkafka-version="2.0.0"\n\n'
        f"[cluster.bench]\n{client}topic-refresh=30\noffset-refresh=10\n\n"
        f'[consumer.bench]\ncluster="bench"\n{client}\n'
        f'[httpserver.default]\naddress="127.0.0.1:{port}"\n'
    )
    return ["burrow", "--config-dir", str(home)]


_PEERS = (
    Peer(
        "kminion",
        lambda bootstrap, port, folder: ["kminion"],
        "kminion_kafka_consumer_group_topic_partition_lag{",
        environ=_kminion_environ,
    ),
    Peer(
        "kafka_exporter",
        lambda bootstrap, port, folder: [
            "kafka_exporter", f"--kafka.server={bootstrap}", f"--web.listen-address=127.0.0.1:{port}",
        ],
        "kafka_consumergroup_lag{",
    ),
    Peer("klag-exporter", _klag_command, "kafka_consumergroup_group_lag{", background=True),
    Peer("burrow", _burrow_command, "burrow_kafka_consumer_partition_lag{", background=True),
)  # fmt: skip


def peers_on_path() -> list[Peer]:
    """Those whose program is there, with its full path."""
    found = []
    for peer in _PEERS:
        program = shutil.which(peer.name)
        if program is not None:
            found.append(_with_program(peer, program))
    return found


def _with_program(peer: Peer, program: str) -> Peer:
    def command(bootstrap: str, port: int, folder: Path) -> list[str]:
        return [program, *peer.command(bootstrap, port, folder)[1:]]

    return replace(peer, command=command)
