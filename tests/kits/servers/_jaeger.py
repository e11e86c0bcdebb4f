"""A real Jaeger (all-in-one, OTLP in, query API out), built from its Go module."""

from pathlib import Path

from servers._download import Download, run
from servers._process import ManagedProcess, answers, free_port, started

_MODULE = "github.com/jaegertracing/jaeger/cmd/all-in-one"
# Newer ones have replace directives that keep `go get` from resolving them.
VERSION = "1.62.0"
# All of its addresses; each on loopback, and on a port of its own.
_LISTEN = (
    "query.http-server.host-port", "query.grpc-server.host-port", "collector.otlp.http.host-port",
    "collector.otlp.grpc.host-port", "collector.grpc-server.host-port", "collector.http-server.host-port",
    "admin.http.host-port", "processor.jaeger-binary.server-host-port",
    "processor.jaeger-compact.server-host-port", "processor.zipkin-compact.server-host-port",
    "http-server.host-port",
)  # fmt: skip


def _build(part: Path) -> None:
    for step in (
        ["mod", "init", "built"],
        ["get", "-tool", f"{_MODULE}@v{VERSION}"],
        ["build", "-o", "all-in-one", _MODULE],
    ):
        run(["go", *step], part, f"go {step[0]} fails for Jaeger")


# Building it takes minutes.
PROGRAM = Download(f"Jaeger {VERSION}", f"jaeger-{VERSION}", "all-in-one", ("go",), _build)


class JaegerServer:
    """One Jaeger.

    Args:
        folder: where its output goes.
        badger: where it keeps its spans, in its own embedded store; None for in memory.

    Raises:
        UnavailableError: it can't be had.
    """

    def __init__(self, folder: Path, badger: Path | None = None) -> None:
        self._program = PROGRAM.get()
        self._folder = folder
        self._badger = badger
        self._ports: dict[str, int] = {}
        self._process: ManagedProcess | None = None

    @property
    def query_url(self) -> str:
        """Base URL of its query API."""
        return f"http://127.0.0.1:{self._ports['query.http-server.host-port']}"

    @property
    def otlp_url(self) -> str:
        """Where it takes traces."""
        return f"http://127.0.0.1:{self._ports['collector.otlp.http.host-port']}/v1/traces"

    @property
    def metrics_url(self) -> str:
        """Where it says what it does, for Prometheus."""
        return f"http://127.0.0.1:{self._ports['admin.http.host-port']}/metrics"

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

    def _prepare(self, attempt: int) -> ManagedProcess:
        self._ports = {name: free_port() for name in _LISTEN}
        return ManagedProcess(
            "jaeger",
            [
                str(self._program),
                "--collector.otlp.enabled=true",
                "--log-level=warn",
                *(f"--{name}=127.0.0.1:{port}" for name, port in self._ports.items()),
                *self._store_options(),
            ],
            env={"SPAN_STORAGE_TYPE": "memory" if self._badger is None else "badger"},
            ready=lambda: answers(f"{self.query_url}/api/services"),
            output=self._folder / f"jaeger-{attempt}.log",
            timeout_seconds=60,
        )

    def _store_options(self) -> list[str]:
        if self._badger is None:
            return []
        folders = (f"--badger.directory-{kind}={self._badger / kind}" for kind in ("key", "value"))
        return ["--badger.ephemeral=false", *folders]
