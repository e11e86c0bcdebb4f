"""The whole `flowtrail collector run`, one process with everything on, beside a bare loop and Quix Streams.

What is measured ends when nothing is left to do: every event stored, every instance ended, every edge counted.
CPU is that of the whole process from its start, imports included, for all that are compared.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

__all__ = ["QUIX", "collected", "figures_of", "measure", "progress", "start", "usage", "whole"]

QUIX = "quixstreams==3.28.1"
_ENVIRONMENT = Path("build/bench/quix")
_TICKS = os.sysconf("SC_CLK_TCK")
_STEPS = 5  # events of an order, all but the first with a cause
_DONE = """SELECT (SELECT coalesce(sum(next_offset), 0) FROM positions),
 (SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'saga_ended'),
 (SELECT coalesce(sum(events), 0) FROM edges)"""
Runs = dict[str, list[dict[str, float]]]


def quix_python() -> Path | None:
    """The interpreter of an environment with Quix Streams, made on first use; None if it can't be had."""
    python = _ENVIRONMENT / "bin/python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", QUIX], check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Quix Streams is not measured: {error}")
        return None
    return python.absolute()


def measure(
    servers: str, topic: str, events: int, folder: Path, rounds: int, bare: Callable[[], dict[str, float]]
) -> Runs:
    """All kinds in turns.

    Args:
        servers: Of the Kafka.
        topic: Holds the events, of orders of five each.
        events: How many.
        folder: For stores; `flows.yaml` lies there.
        rounds: How often each is measured.
        bare: Runs the bare loop over the topic once.
    """
    kinds: dict[str, Callable[[], dict[str, float]]] = {
        "whole": lambda: whole(servers, topic, events, folder, "off"),
        "bare": bare,
    }
    if find_spec("flowtrail_speedups") is not None:
        kinds["speedups"] = lambda: whole(servers, topic, events, folder, "required")
    else:
        print("flowtrail-speedups is not measured: make speedups installs it")
    python = quix_python()
    if python is not None:
        kinds["quix"] = lambda: quix(python, servers, topic, events, folder)
        kinds["quix_changelog"] = lambda: quix(python, servers, topic, events, folder, changelog=True)
    runs: Runs = {f"whole_{kind}" if kind != "whole" else kind: [] for kind in kinds}
    names = dict(zip(kinds, runs, strict=True))
    for number in range(rounds):
        for kind in list(kinds) if number % 2 == 0 else reversed(list(kinds)):
            runs[names[kind]].append(kinds[kind]())
    return runs


def quix(
    python: Path, servers: str, topic: str, events: int, folder: Path, *, changelog: bool = False
) -> dict[str, float]:
    """One run of the Quix Streams application in a fresh process."""
    script = Path(__file__).with_name("ingest_quix.py")
    with tempfile.TemporaryDirectory(dir=folder) as state:
        command = [str(python), str(script), servers, topic, str(events), state]
        done = subprocess.run(
            [*command, *(["changelog"] if changelog else [])],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=600,
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def whole(servers: str, topic: str, events: int, folder: Path, speedups: str) -> dict[str, float]:
    """One run of the collector on a topic in a fresh process, until nothing is left to do."""
    source = ["--bootstrap-servers", servers, "--topics", topic, "--speedups", speedups]
    found, read = collected(source, events, folder)
    assert read == events
    return found


def collected(
    source: Sequence[str], events: int, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, float], int]:
    """One run of the collector in a fresh process, until nothing is left to do.

    Args:
        source: The options that say where the events are, of orders of five each.
        events: How many.
        folder: For the store; `flows.yaml` lies there.
        environment: Further variables for the process.

    Returns:
        What was measured, and how many records were read.
    """
    name = Path(tempfile.mkdtemp(dir=folder))
    store = name / "store.sqlite"
    began = time.perf_counter()
    process = start(source, store, folder, environment)
    try:
        first = last = finished = 0.0
        while not finished:
            time.sleep(0.05)
            assert process.poll() is None, "the collector has ended"
            assert time.perf_counter() - began < 600
            read, ended, edges = progress(store)
            now = time.perf_counter()
            first = first or (now if read else 0.0)
            last = last or (now if read >= events else 0.0)
            if last and ended >= events // _STEPS and edges >= events // _STEPS * (_STEPS - 1):
                finished = now
        cpu, rss = usage(process.pid)
        size = sum(file.stat().st_size for file in name.glob("store.sqlite*"))
    finally:
        process.terminate()
        process.wait(30)
    read, *settled = progress(store)
    assert settled == [events // _STEPS, events // _STEPS * (_STEPS - 1)]
    used = _used_bytes(store)
    shutil.rmtree(name)
    found = {
        "seconds": last - first,
        "settled_seconds": finished - first,
        "cpu_seconds": cpu,
        "rss_mb": rss,
        "store_bytes_per_event": used / events,
        "files_bytes_per_event": size / events,
    }
    return found, read


def start(
    source: Sequence[str], store: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a collector; the arguments are those of `collected`."""
    command = [sys.executable, "-m", "flowtrail_collector", "collector", "run", *source,
               "--flows", str(folder / "flows.yaml"), "--store", str(store), "--listen", "127.0.0.1:0"]  # fmt: skip
    variables = {**os.environ, **(environment or {})}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)


def progress(store: Path) -> tuple[int, int, int]:
    """Events read, instances ended, edges counted; read from beside the process, which spends nothing on it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True)) as connection:
            read, ended, edges = connection.execute(_DONE).fetchone()
    except sqlite3.OperationalError:  # not there yet
        return 0, 0, 0
    return int(read), int(ended), int(edges)


def _used_bytes(store: Path) -> int:
    """Size of the file once the log is in it, without what lies free."""
    with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def usage(pid: int) -> tuple[float, float]:
    """Seconds of CPU so far, and the most memory in MB, of a process and of those that it has started."""
    cpu = most = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if str(pid) in (folder.name, fields[1]):
                lines = (folder / "status").read_text().splitlines()
                cpu += (int(fields[11]) + int(fields[12])) / _TICKS
                most += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return cpu, most


def figures_of(events: int, runs: Runs) -> dict[str, float]:
    """What came out, by name; CPU first, which varies least."""
    if "whole" not in runs:
        return {}
    figures: dict[str, float] = {}
    kinds = [f"whole{kind}" for kind in ("", "_speedups", "_bare", "_quix", "_quix_changelog")]
    kinds = [kind for kind in kinds if kind in runs]
    for kind in kinds:
        cpu = statistics.median(result["cpu_seconds"] for result in runs[kind])
        figures[f"{kind}_cpu_microseconds_per_event"] = round(cpu / events * 1e6, 1)
    for kind in kinds:
        rates = [events / result["seconds"] for result in runs[kind]]
        figures[f"{kind}_events_per_second"] = round(statistics.median(rates))
        figures[f"{kind}_rss_mb"] = round(max(result["rss_mb"] for result in runs[kind]), 1)
    for ours in ("whole", "whole_speedups"):
        figures.update(_ratios(ours, runs))
    own = runs["whole"]
    figures["whole_settled_after_seconds"] = round(
        statistics.median(result["settled_seconds"] - result["seconds"] for result in own), 2
    )
    figures["store_bytes_per_event"] = round(statistics.median(r["store_bytes_per_event"] for r in own))
    return figures


def _ratios(ours: str, runs: Runs) -> dict[str, float]:
    """How much of their rates the collector has, going by when it has nothing left to do."""
    others = {
        "whole_bare": "bare_loop",
        "whole_quix": "quix_streams",
        "whole_quix_changelog": "quix_streams_with_changelog",
    }
    return {
        f"{ours}_ratio_to_{name}": round(
            statistics.median(
                other["seconds"] / own["settled_seconds"]
                for other, own in zip(runs[kind], runs[ours], strict=True)
            ),
            3,
        )
        for kind, name in others.items()
        if kind in runs and ours in runs
    }
