"""Processes that collect when told to, of this checkout and of another one, for `bench.lag` and `bench.rabbitmq`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.lag_cluster import LagCluster

__all__ = ["Worker", "beside_figures", "measure_beside"]

_KEYS = ("seconds", "cpu_seconds", "rss_mb", "peak_mb")


class Worker:
    """A process that collects when told to.

    Args:
        kind: which, see `bench.lag_worker`.
        bootstrap: of the cluster, or what that kind takes in its place.
        checkout: another one, to run its code with its environment.
    """

    def __init__(self, kind: str, bootstrap: str, checkout: Path | None = None) -> None:
        python, environment = sys.executable, None
        if checkout is not None:
            python = str(checkout / ".venv" / "bin" / "python")
            environment = {**os.environ, "PYTHONPATH": f"{checkout}:{checkout}/tests/kits:{checkout}/tests"}
        self._process = subprocess.Popen(
            [python, "-m", "bench.lag_worker", kind, bootstrap],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env=environment,
        )

    def ask(self, command: str) -> dict[str, Any]:
        """One command, one answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker ended: {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def measure_beside(
    checkout: Path, cluster: LagCluster, bootstrap: str, groups: int, rounds: int
) -> dict[str, float]:
    """Our collections in turns with those of another checkout: what ours take of what its take."""
    workers = {"ours": Worker("ours", bootstrap), "theirs": Worker("ours", bootstrap, checkout)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    try:
        for worker in workers.values():
            worker.ask("collect")
            worker.ask("explore")
        for turn in range(rounds):
            cluster.write(1)
            cluster.commit(groups)
            # Who comes second finds the broker's caches warm.
            for name in sorted(workers, reverse=turn % 2 == 1):
                found[name].append(workers[name].ask("collect"))
    finally:
        for worker in workers.values():
            worker.close()
    medians = {
        f"{name}_{key}": statistics.median(cycle[key] for cycle in cycles)
        for name, cycles in found.items()
        for key in _KEYS
    }
    for key in _KEYS:
        ours, theirs = medians[f"ours_{key}"], medians[f"theirs_{key}"]
        print(f"beside {checkout}: {key} {ours:.3f}, theirs {theirs:.3f}, ratio {ours / theirs:.3f}")
    return medians


def beside_figures(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """What ours takes of what the other checkout takes."""
    return {
        f"{key}_ratio_to_checkout_{size}": round(f[f"ours_{key}"] / f[f"theirs_{key}"], 4)
        for size, f in found.items()
        for key in _KEYS
    }
