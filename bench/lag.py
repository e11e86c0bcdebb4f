"""What a lag collection costs: 2,000 partitions, 200 groups, 100,000 pairs on a real Kafka, and its growth.

    python -m bench.lag [--beside PATH]

A cycle runs from the first request to Kafka until the metrics page with messages, seconds, offset and status
of every pair is ready to serve. Before each cycle every group commits every one of its partitions anew and
every partition gets a record, so that every figure on the page changes; cycles without that are the "idle"
ones. A bare read of the same offsets with the same client library runs in turns with ours; the other
exporters, where somebody has put them on PATH, follow in the same run, one by one. Another checkout of this
project, with an environment of its own in `.venv`, collects in turns with this one (`--beside`, or `PEER`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.lag_cluster import PAIRS_PER_GROUP, LagCluster
from bench.lag_peers import Peer, peers_on_path
from bench.lag_workers import Worker, beside_figures, measure_beside
from servers import KafkaServer

OUT = Path("build/bench/lag.json")
SIZES = {"10k": 20, "30k": 60, "100k": 200, "300k": 600}
ISSUE_SIZE = "100k"
_PEER_SECONDS = 60
TARGETS: dict[str, list[Any]] = {
    "cycle_seconds_100k": ["<=", 0.6],
    "cycle_ratio_to_kminion": ["<=", 1.0],
    "cycle_ratio_to_kafka_exporter": ["<=", 0.05],
    "scrape_seconds_100k": ["<=", 0.1],
    "rss_mb_100k": ["<=", 150],
    "growth_exponent": ["<=", 1.1],
}


def scrape(url: str, encoding: str) -> tuple[float, int]:
    """Seconds and bytes of one scrape over HTTP."""
    request = urllib.request.Request(url, headers={"accept-encoding": encoding})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        size = len(answer.read())
    return time.perf_counter() - began, size


def measure(cluster: LagCluster, bootstrap: str, groups: int, rounds: int) -> dict[str, float]:
    """Our collections at one size, in turns with the bare read."""
    ours, bare = Worker("ours", bootstrap), Worker("bare", bootstrap)
    try:
        ours.ask("collect")
        ours.ask("explore")
        bare.ask("collect")
        moving, idle, reads = [], [], []
        for _ in range(rounds):
            cluster.write(1)
            cluster.commit(groups)
            moving.append(ours.ask("collect"))
            reads.append(bare.ask("collect"))
            idle.append(ours.ask("collect"))
        last = idle[-1]
        url = ours.ask("url")["url"]
        plain = [scrape(url, "identity") for _ in range(5)]
        packed = [scrape(url, "gzip") for _ in range(5)]
    finally:
        ours.close()
        bare.close()
    cycles = [cycle["seconds"] for cycle in moving]
    return {
        "pairs": last["pairs"],
        "known": last["known_seconds"],
        "cycle": statistics.median(cycles),
        "cycle_low": min(cycles),
        "cycle_high": max(cycles),
        "cycle_idle": statistics.median(cycle["seconds"] for cycle in idle),
        "cpu": statistics.median(cycle["cpu_seconds"] for cycle in moving),
        "bare": statistics.median(read["seconds"] for read in reads),
        "bare_cpu": statistics.median(read["cpu_seconds"] for read in reads),
        "scrape": statistics.median(seconds for seconds, _ in packed),
        "scrape_identity": statistics.median(seconds for seconds, _ in plain),
        "page_mb": plain[0][1] / 1e6,
        "gzip_mb": packed[0][1] / 1e6,
        "rss": last["rss_mb"],
        "rss_peak": last["peak_mb"],
    }


def measure_peer(
    peer: Peer, cluster: LagCluster, bootstrap: str, groups: int, folder: Path
) -> dict[str, float]:
    """A peer's collections at the same size, in turns with ours."""
    pairs = groups * PAIRS_PER_GROUP
    ours = Worker("ours", bootstrap)
    theirs: list[float] = []
    mine: list[float] = []
    try:
        ours.ask("collect")
        ours.ask("explore")
        with peer.running(bootstrap, folder) as running:
            first = running.until(pairs, 95, between=lambda: cluster.commit(groups))
            if first is None:
                print(f"{peer.name}: not all pairs within 95 s", flush=True)
                return {}
            began = time.monotonic()
            while len(theirs) < 3 or (len(theirs) < 7 and time.monotonic() - began < _PEER_SECONDS):
                cluster.write(1)
                cluster.commit(groups)
                mine.append(ours.ask("collect")["seconds"])
                theirs.append(running.scrape()[0])
            rss = running.rss_mb()
    except OSError as error:
        print(f"{peer.name}: {error}", flush=True)
        return {}
    finally:
        ours.close()
    found = {"first": first, "scrape": statistics.median(theirs), "rss": rss}
    if not peer.background:
        found["ratio"] = statistics.median(mine) / statistics.median(theirs)
    return found


def growth_exponent(found: dict[str, dict[str, float]]) -> float:
    """The slope of log(CPU per cycle) over log(pairs), least squares; 1 is linear.

    CPU time, for a machine that others use as well; the fixed cost of 2,000 partitions is part of every size.
    """
    points = [(math.log(f["pairs"]), math.log(f["cpu"])) for f in found.values()]
    x, y = (statistics.fmean(column) for column in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, b in points)


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures of our own collections."""
    head = (
        f"{'pairs':>8} {'cycle s':>8} {'(spread)':>13} {'idle s':>7} {'CPU s':>6} {'bare s':>7} {'ratio':>6} "
        f"{'gzip s':>7} {'plain s':>8} {'page MB':>8} {'RSS MB':>7} {'peak':>6}"
    )
    rows = [
        f"{f['pairs']:8.0f} {f['cycle']:8.3f} {f['cycle_low']:6.2f}-{f['cycle_high']:<6.2f} "
        f"{f['cycle_idle']:7.3f} {f['cpu']:6.2f} {f['bare']:7.3f} {f['cycle'] / f['bare']:6.2f} "
        f"{f['scrape']:7.3f} {f['scrape_identity']:8.3f} {f['page_mb']:8.1f} "
        f"{f['rss']:7.0f} {f['rss_peak']:6.0f}"
        for f in found.values()
    ]
    return "\n".join([head, *rows])


def figures_of(found: dict[str, dict[str, float]], peers: dict[str, dict[str, float]]) -> dict[str, float]:
    """The figures under the names they are compared by."""
    figures: dict[str, float] = {}
    for size, f in found.items():
        figures[f"cycle_seconds_{size}"] = f["cycle"]
        figures[f"cycle_idle_seconds_{size}"] = f["cycle_idle"]
        figures[f"cycle_cpu_seconds_{size}"] = f["cpu"]
        figures[f"scrape_seconds_{size}"] = f["scrape"]
        figures[f"scrape_identity_seconds_{size}"] = f["scrape_identity"]
        figures[f"rss_mb_{size}"] = f["rss"]
        figures[f"rss_peak_mb_{size}"] = f["rss_peak"]
        figures[f"cycle_ratio_to_bare_read_{size}"] = f["cycle"] / f["bare"]
        figures[f"known_seconds_share_{size}"] = f["known"] / f["pairs"]
    if len(found) > 1:
        figures["growth_exponent"] = growth_exponent(found)
    for name, f in peers.items():
        if f:
            key = name.replace("-", "_")
            if "ratio" in f:
                figures[f"cycle_ratio_to_{key}"] = f["ratio"]
            figures[f"{key}_first_complete_seconds"] = f["first"]
            figures[f"{key}_scrape_seconds"] = f["scrape"]
            figures[f"{key}_rss_mb"] = f["rss"]
    return {name: round(value, 4) for name, value in figures.items()}


def report(figures: dict[str, float], rounds: int) -> None:
    """Say which targets are met, and write the file."""
    for name, (_, limit) in TARGETS.items():
        if name in figures:
            met = figures[name] <= limit
            print(f"{'met   ' if met else 'MISSED'} {name} = {figures[name]} (<= {limit})")
        else:
            print(f"-      {name}: not measured")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "kafka": "4.1.0"}
    versions["confluent-kafka"] = importlib.metadata.version("confluent-kafka")
    content = {
        "command": "python -m bench.lag",
        "versions": versions,
        "runs": rounds,
        "figures": figures,
        "targets": {name: target for name, target in TARGETS.items() if name in figures},
    }
    OUT.write_text(json.dumps(content, indent=2) + "\n")
    print(f"written: {OUT}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", default=",".join(SIZES), help="comma-separated, of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--beside", type=Path, default=os.environ.get("PEER"), help="another checkout")
    options = parser.parse_args(arguments)
    # So that what was started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: dict[str, dict[str, float]] = {}
    others: dict[str, dict[str, float]] = {}
    beside: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-lag-") as folder:
        server = KafkaServer(Path(folder) / "kafka")
        server.start()
        try:
            cluster = LagCluster(server.bootstrap_servers)
            cluster.create()
            for size in options.sizes.split(","):
                groups = SIZES[size]
                cluster.commit(groups)
                rounds = options.rounds if size == ISSUE_SIZE else max(3, options.rounds // 2)
                found[size] = measure(cluster, server.bootstrap_servers, groups, rounds)
                print(f"{size}: cycle {found[size]['cycle']:.3f} s", flush=True)
                if options.beside is not None:
                    beside[size] = measure_beside(
                        options.beside, cluster, server.bootstrap_servers, groups, options.rounds
                    )
                if size == ISSUE_SIZE:
                    for peer in peers_on_path():
                        others[peer.name] = measure_peer(
                            peer, cluster, server.bootstrap_servers, groups, Path(folder)
                        )
        finally:
            server.kill()
    print(table(found))
    for name, f in others.items():
        if f:
            print(
                f"{name}: all there after {f['first']:.1f} s, scrape {f['scrape']:.2f} s, {f['rss']:.0f} MB"
            )
    report(figures_of(found, others) | beside_figures(beside), options.rounds)


if __name__ == "__main__":
    main()
