"""How many spans a collector takes in, and a real Jaeger with its badger store, in turns, from the same senders.

What counts is stored: in the collector's file when its process has ended, or saved by Jaeger's own count. Jaeger
acknowledges what waits in its queue, and drops what doesn't fit in there; the collector acknowledges what is committed.
Neither waits for the disk: what a process that dies has acknowledged is there, what a power cut takes isn't.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import statistics
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.ingest_whole import usage
from bench.trail_load import in_process, post
from servers import UnavailableError
from servers._jaeger import VERSION as JAEGER_VERSION
from servers._jaeger import JaegerServer

__all__ = ["JAEGER_VERSION", "measure_spans", "span_figures"]

SENDERS = 8
Address = tuple[str, int]
Start = Callable[[Path], AbstractContextManager[tuple[Address, int]]]


def measure_spans(folder: Path, collector: Start, seconds: float, rounds: int) -> dict[str, list[Any]]:
    """Rounds of each, in turns; `jaeger` is missing where there is none.

    Args:
        folder: For stores and output.
        collector: Starts one on a store.
        seconds: How long each is sent spans.
        rounds: How often each has its turn.
    """
    results: dict[str, list[Any]] = {}
    for number in range(rounds):
        own = folder / f"spans-{number}.sqlite"
        results.setdefault("collector", []).append(_collector(own, collector, seconds))
        try:
            results.setdefault("jaeger", []).append(_jaeger(folder / f"jaeger-{number}", seconds))
        except UnavailableError as error:
            del results["jaeger"]
            print(f"without Jaeger: {error}")
            break
    return results


def span_figures(results: dict[str, list[Any]]) -> dict[str, float]:
    """What came out, by name."""
    own = results["collector"]
    figures: dict[str, float] = {
        "otlp_spans_per_second": round(_rate(own)),
        "otlp_cpu_microseconds_per_span": _cpu(own),
        "otlp_bytes_per_span": round(statistics.median(run["bytes"] / run["stored"] for run in own)),
        "otlp_spans_lost": sum(run["acknowledged"] - run["stored"] for run in own),
        "otlp_requests_turned_away": sum(run["refused"] for run in own),
    }
    if jaeger := results.get("jaeger"):
        ratios = [
            a["stored"] / a["seconds"] * b["seconds"] / b["stored"] for a, b in zip(own, jaeger, strict=True)
        ]
        figures |= {
            "jaeger_spans_per_second": round(_rate(jaeger)),
            "jaeger_cpu_microseconds_per_span": _cpu(jaeger),
            "jaeger_bytes_per_span": round(statistics.median(run["bytes"] / run["stored"] for run in jaeger)),
            "jaeger_spans_lost": sum(run["acknowledged"] - run["stored"] for run in jaeger),
            "otlp_ratio_to_jaeger": round(statistics.median(ratios), 2),
            "otlp_cpu_ratio_to_jaeger": round(_cpu(own) / _cpu(jaeger), 2),
        }
    return figures


def _rate(runs: list[Any]) -> float:
    return float(statistics.median(run["stored"] / run["seconds"] for run in runs))


def _cpu(runs: list[Any]) -> float:
    return float(round(statistics.median(run["cpu_seconds"] / run["stored"] * 1e6 for run in runs), 1))


def _collector(store: Path, start: Start, seconds: float) -> dict[str, Any]:
    with start(store) as (address, pid):
        before, _ = usage(pid)
        took, acknowledged, refused = _send(address, seconds)
        cpu = usage(pid)[0] - before
    with contextlib.closing(sqlite3.connect(store)) as connection:
        stored = connection.execute("SELECT coalesce(sum(spans), 0) FROM span_packs").fetchone()[0]
    return {"seconds": took, "acknowledged": acknowledged, "refused": refused, "stored": stored, "cpu_seconds": cpu,
            "bytes": store.stat().st_size}  # fmt: skip


def _jaeger(folder: Path, seconds: float) -> dict[str, Any]:
    folder.mkdir()
    server = JaegerServer(folder, folder)
    server.start()
    try:
        url = urlsplit(server.otlp_url)
        before = _metrics(server.metrics_url)
        took, acknowledged, refused = _send((url.hostname or "", url.port or 0), seconds)
        began = time.perf_counter()
        # What it has acknowledged and not stored yet is stored after the last answer: its time counts as well.
        done = _settled(server.metrics_url)
        took += time.perf_counter() - began
    finally:
        server.kill()
    stored = done["jaeger_collector_spans_saved_by_svc_total"] - before.get(
        "jaeger_collector_spans_saved_by_svc_total", 0
    )
    size = sum(file.stat().st_blocks * 512 for kind in ("key", "value") for file in (folder / kind).iterdir())
    return {"seconds": took, "acknowledged": acknowledged, "refused": refused, "stored": int(stored), "bytes": size,
            "cpu_seconds": done["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]}  # fmt: skip


def _send(address: Address, seconds: float) -> tuple[float, int, int]:
    """How long it took until the last answer, how many spans were acknowledged, and requests turned away."""
    sender, answers = in_process(post, address, seconds, SENDERS)
    took, acknowledged, refused = answers.get(timeout=seconds * 3 + 120)
    sender.join()
    return took, acknowledged, refused


def _settled(url: str) -> dict[str, float]:
    """Jaeger's figures once nothing waits any more."""
    while True:
        figures = _metrics(url)
        if not figures.get("jaeger_collector_queue_length"):
            return figures
        time.sleep(0.01)


def _metrics(url: str) -> dict[str, float]:
    """Prometheus figures by name, summed over their labels."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if match := re.match(r"(\w+)(?:\{.*\})? (\S+)$", line):
            found[match[1]] = found.get(match[1], 0.0) + float(match[2])
    return found
