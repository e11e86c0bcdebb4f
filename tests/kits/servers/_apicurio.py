"""A real Apicurio Registry, which speaks Confluent's protocol; in memory, from Maven Central."""

from pathlib import Path

from servers._download import Download, run, unpack
from servers._process import ManagedProcess, Server, answers, free_port
from servers._tools import tool

VERSION = "3.0.9"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_JAVA_OPTIONS = ("-Xms64m", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
# Newer ones insist on the artifact's parent, which was never published.
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"


def _fill(part: Path) -> None:
    run(
        ["mvn", "-q", "-B", f"{_PLUGIN}:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={part}"],
        part,
        "Maven can't fetch Apicurio Registry",
    )
    unpack(part)


REGISTRY = Download(
    f"Apicurio Registry {VERSION}",
    f"apicurio-{VERSION}",
    f"apicurio-registry-app-{VERSION}-runner.jar",
    ("mvn",),
    _fill,
)


class ApicurioServer(Server):
    """One registry; what it holds is gone when it stops.

    Args:
        folder: where its output goes.

    Raises:
        UnavailableError: Java or the registry can't be had.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._java = tool("java")
        self._jar = REGISTRY.get()
        self.port = 0

    @property
    def url(self) -> str:
        """Base URL of the Confluent-compatible API."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def _attempt(self, number: int) -> ManagedProcess:
        self.port = free_port()
        return ManagedProcess(
            "apicurio",
            [self._java, *_JAVA_OPTIONS, "-Dquarkus.http.host=127.0.0.1",
             f"-Dquarkus.http.port={self.port}", "-jar", str(self._jar)],
            ready=lambda: answers(f"{self.url}/subjects"),
            output=self._folder / f"apicurio-{number}.log",
            cwd=self._folder,
            timeout_seconds=120,
        )  # fmt: skip
