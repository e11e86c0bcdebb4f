"""A real Prometheus (Debian's package `prometheus`) that scrapes what a test tells it to."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from servers._process import ManagedProcess, answers, free_port, started
from servers._tools import tool
from waiting import scaled


class QueryError(Exception):
    """Prometheus refused a query; the message is its own."""


class PrometheusServer:
    """One Prometheus with its own data folder.

    Args:
        folder: where data, configuration and output go.
        jobs: `host:port` to scrape, by job.
        rules: rule files to load.
        interval_seconds: between two scrapes, and between two evaluations of rules.

    Raises:
        UnavailableError: it isn't installed.
    """

    def __init__(
        self,
        folder: Path,
        jobs: Mapping[str, str],
        rules: Sequence[Path] = (),
        interval_seconds: int = 1,
    ) -> None:
        self._program = tool("prometheus")
        self._folder = folder
        self._port = 0
        self._process: ManagedProcess | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "prometheus.yml"
        # JSON is YAML.
        self._config.write_text(json.dumps(_configuration(jobs, rules, interval_seconds), indent=1))

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

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query: the series found.

        Raises:
            QueryError: the expression is refused.
        """
        result: list[dict[str, Any]] = self._get("query", {"query": expression})["result"]
        return result

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """A range query, times in seconds since the epoch: the series found.

        Raises:
            QueryError: the expression is refused.
        """
        values = {"query": expression, "start": start, "end": end, "step": step}
        result: list[dict[str, Any]] = self._get("query_range", values)["result"]
        return result

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values that a label has in the series selected."""
        return list(self._get(f"label/{label}/values", {"match[]": selector}))

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self._get("alerts", {})["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def targets_up(self) -> dict[str, bool]:
        """Whether each job's target was scraped."""
        return {target["labels"]["job"]: target["health"] == "up" for target in self._targets()}

    def exemplars(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """Exemplars of the series in an expression."""
        return list(self._get("query_exemplars", {"query": expression, "start": start, "end": end}))

    def _targets(self) -> list[dict[str, Any]]:
        targets: list[dict[str, Any]] = self._get("targets", {"state": "active"})["activeTargets"]
        return targets

    def _get(self, path: str, values: Mapping[str, Any]) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(values)}"
        try:
            with urllib.request.urlopen(url, timeout=scaled(30)) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(json.load(error).get("error", str(error))) from None

    def _prepare(self, _attempt: int) -> ManagedProcess:
        self._port = free_port()
        return ManagedProcess(
            "prometheus",
            [
                self._program,
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            ready=lambda: answers(f"{self.url}/-/ready"),
            output=self._folder / "prometheus.log",
            timeout_seconds=60,
        )


def _configuration(jobs: Mapping[str, str], rules: Sequence[Path], interval_seconds: int) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": f"{interval_seconds}s",
            "scrape_timeout": f"{interval_seconds}s",
            "evaluation_interval": f"{interval_seconds}s",
        },
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in jobs.items()
        ],
    }
