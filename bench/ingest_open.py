"""A million open instances: how long a sweep, a scrape and a restart take, and how much memory.

    python -m bench.ingest_open SERVERS STORE_FOLDER [INSTANCES]

Prints one line of JSON. The store is filled directly; then a real `flowtrail collector run` is started on it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.events.model import Advance
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.metrics import SagaMetrics
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.seen import Mark
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.sqlite.database import SqliteDatabase

_CHUNK = 20_000
_DUE = 10_000


def instances(count: int, now_ms: int) -> Iterator[SagaRecord]:
    """Orders placed over the last hour, half of which have their stock; some are about to be late."""
    for number in range(count):
        started_ms = now_ms - 3_600_000 + number * 3_600 // max(count // 1_000, 1)
        reserved = number % 2 == 0
        events: dict[int, Mark] = {id_hash(f"{number}-placed"): (started_ms, "OrderPlaced", 0)}
        if reserved:
            events[id_hash(f"{number}-reserved")] = (started_ms + 40, "StockReserved", 1)
        yield SagaRecord(
            "orders",
            f"0190a000-0000-7000-8000-{number:012x}",
            f"order-{number}",
            started_ms=started_ms,
            updated_ms=started_ms + 40,
            waiting=("charge",) if reserved else ("reserve",),
            waiting_since_ms=started_ms + 40,
            next_deadline_ms=now_ms - 10_000 if number < _DUE else now_ms + 86_400_000,
            breached=("reserve",) if number % 100 == 1 else (),
            events=events,
        )


def fill(path: Path, flow_file: Path, count: int) -> float:
    """Write the instances as a collector with this flow file leaves them; seconds it took."""
    database = SqliteDatabase(path)
    store = SqliteStore(database)
    now_ms = int(time.time() * 1000)
    began = time.perf_counter()
    chunk: list[SagaRecord] = []
    for saga in instances(count, now_ms):
        chunk.append(saga)
        if len(chunk) == _CHUNK:
            with store.unit() as unit:
                unit.save_sagas(chunk)
            chunk = []
    with store.unit() as unit:
        unit.save_sagas(chunk)
        unit.count({("saga_started", ("orders",)): count})
        # Rules that the store doesn't know are applied to all instances first; `make bench-sagas_changed_file`.
        unit.remember_rules("orders", load_flows(flow_file).by_name["orders"].rules)
        unit.advance([Advance("orders", 0, None, 0, now_ms)])
    database.close()
    return time.perf_counter() - began


def measure_parts(path: Path, flow_file: Path) -> dict[str, float]:
    """Sweep and metrics on their own."""
    database = SqliteDatabase(path)
    store, flows = SqliteStore(database), load_flows(flow_file)
    began = time.perf_counter()
    swept = Sweeper(store, flows).sweep()
    swept_seconds = time.perf_counter() - began
    began = time.perf_counter()
    Sweeper(store, flows).sweep()
    idle_seconds = time.perf_counter() - began
    began = time.perf_counter()
    list(SagaMetrics(store, flows).families())
    metrics_seconds = time.perf_counter() - began
    size = store.size_bytes()
    database.close()
    return {
        "swept": swept,
        "sweep_seconds_10k_due": swept_seconds,
        "sweep_seconds": idle_seconds,
        "metrics_seconds": metrics_seconds,
        "store_mb": size / 1e6,
    }


def measure_process(servers: str, path: Path, flow_file: Path) -> dict[str, float]:
    """The whole collector: until it is ready, scraped ten times, and what it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", servers,
        "--flows", str(flow_file), "--store", str(path), "--listen", f"127.0.0.1:{port}",
        "--topics", "none-such", "--dead-letter-topics", "none-such",
    ]  # fmt: skip
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers(f"http://127.0.0.1:{port}/readyz"):
                assert process.poll() is None
                assert time.perf_counter() - began < 120
                time.sleep(0.02)
            ready_seconds = time.perf_counter() - began
            scrapes = []
            for _ in range(10):
                asked = time.perf_counter()
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                    assert b"flowtrail_saga_open{" in answer.read()
                scrapes.append(time.perf_counter() - asked)
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        finally:
            process.terminate()
    return {
        "restart_seconds": ready_seconds,
        "scrape_seconds": sorted(scrapes)[len(scrapes) // 2],
        "scrape_seconds_slowest": max(scrapes),
        "rss_mb": peak / 1024,
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main(servers: str, folder: str, count: str = "1000000") -> None:
    """Fill, measure, print."""
    path, flow_file = Path(folder) / "open.sqlite", Path(folder) / "flows.yaml"
    filled = fill(path, flow_file, int(count))
    result = {"fill_seconds": filled, **measure_parts(path, flow_file)}
    print(json.dumps({**result, **measure_process(servers, path, flow_file)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
