"""What a week of history costs: how much the store grows, how long a sample takes, how quickly its pages come.

    python -m bench.history

Eight days of figures as a busy system has them: every group's lag moves at random, every flow, step and edge counts
each minute. They are written through the port that the collector writes through, an hour at once, and thinned out by
the collector's own keeper as time goes on. The last hour is sampled minute by minute. Then a real `flowtrail
collector run` on this store (no broker answers it) is asked for each page, one after the other. What a request costs
in processor time, which doesn't depend on what else the machine does, is read from the kernel (on Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.results import now_text, show, write
from flowtrail_collector.history.model.blocks import Block, Kind, Name
from flowtrail_collector.history.model.counting import Standing
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, WINDOWS
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.history.sampler import HistoryKeeper, Sampler
from flowtrail_collector.history.sources import (
    DEAD_LETTERS,
    EDGES,
    KINDS,
    LAG,
    MESSAGES,
    OUTCOMES,
    SECONDS,
    STARTED,
    STEPS,
)
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from trailkit.past import Told

OUT = Path("build/bench/history.json")
TARGETS: dict[str, list[Any]] = {
    "grown_mb_first_day": ["<=", 5],
    "grown_mb_each_day_after": ["<=", 5],
    "page_p99_ms": ["<=", 150],
}
_STEPS_PER_FLOW = 5
_CAUSES = 30


class Busy:
    """A system in which everything moves."""

    def __init__(self, groups: int, flows: int, edges: int) -> None:
        self._dice = random.Random(7)
        self._lag = {f"team-{number % 20}-service-{number}": 0 for number in range(groups)}
        bounds = [*map(str, DURATION_BUCKETS_SECONDS), "+Inf"]
        names = [f"flow-{number}" for number in range(flows)]
        self._counters: dict[str, dict[Name, int]] = {
            OUTCOMES: {
                (flow, outcome): 0
                for flow in names
                for outcome in (STARTED, "completed", "compensated", "failed")
            },
            STEPS: {
                (flow, f"step-{step}", bound): 0
                for flow in names
                for step in range(_STEPS_PER_FLOW)
                for bound in bounds[step : step + 6]
            },
            EDGES: {(f"service-{n // 3}", f"topic-{n // 2}", f"service-{n}"): 0 for n in range(edges)},
        }
        self._causes: dict[Name, int] = {(f"{n:016x}", f'["group-{n}","OrderPlaced","Error{n}","no *"]'): 0
                                         for n in range(_CAUSES)}  # fmt: skip

    def minute(self) -> dict[str, Figures]:
        """The figures a minute later."""
        dice = self._dice
        lag: dict[Name, int] = {}
        for number, group in enumerate(self._lag):
            if number % 4:  # the others keep pace
                self._lag[group] = max(0, self._lag[group] + dice.randint(-400, 420))
            lag[group, MESSAGES] = self._lag[group]
            lag[group, SECONDS] = dice.randint(0, 90) * self._lag[group]
        for counters in self._counters.values():
            for name in counters:
                counters[name] += int(dice.expovariate(0.05))
        for name in self._causes:
            self._causes[name] = max(0, self._causes[name] + dice.choice((-1, 0, 0, 0, 1)))
        found = {of: Figures(dict(values), whole=True) for of, values in self._counters.items()}
        waiting = {name: value for name, value in self._causes.items() if value}
        return {**found, LAG: Figures(lag, whole=False), DEAD_LETTERS: Figures(waiting, whole=True)}


def fill(database: SqliteDatabase, busy: Busy, start: int, days: int) -> list[float]:
    """Hours of samples up to some days after `start`; the store's size after each day, in MB."""
    samples, clock = SqlSamples(database), [float(start)]
    keeper = HistoryKeeper(samples, KINDS, time_seconds=lambda: clock[0])
    sizes = [database.used_bytes() / 1e6]
    before: Standing | None = None
    counts: dict[str, dict[Name, int]] = {}
    for hour in range(start, start + days * DAY, HOUR):
        blocks = {of: (kind, Block.empty(hour, MINUTE, HOUR // MINUTE)) for of, kind in KINDS.items()}
        for place in range(HOUR // MINUTE):
            for of, figures in busy.minute().items():
                kind, block = blocks[of]
                known = counts.get(of, {})
                values = (
                    figures.values
                    if kind is Kind.GAUGE
                    else {
                        name: more
                        for name, value in figures.values.items()
                        if (more := value - known.get(name, 0))
                    }
                )
                block.note(place, values, MINUTE * 1000, whole=figures.whole)
                counts[of] = dict(figures.values)
        clock[0] = hour + HOUR
        slot = int(clock[0]) // MINUTE - 1
        standing = Standing(
            slot, (slot + 1) * MINUTE * 1000, {of: counts[of] for of in (OUTCOMES, STEPS, EDGES)}
        )
        samples.sampled(standing, before, blocks)
        before = standing
        keeper.forget(threading.Event())
        if clock[0] % DAY == start % DAY:
            sizes.append(database.used_bytes() / 1e6)
            print(f"  day {len(sizes) - 1}: {sizes[-1]:.1f} MB")
    return sizes


def sampled(database: SqliteDatabase, busy: Busy, start: int, minutes: int) -> list[float]:
    """Minutes sampled one by one; how long each took, in ms."""
    sources, clock = [Told(of) for of in KINDS], [float(start)]
    sampler = Sampler(sources, SqlSamples(database), time_seconds=lambda: clock[0])
    took = []
    for _ in range(minutes):
        clock[0] += MINUTE
        found = busy.minute()
        for source in sources:
            source.told = found[source.of]
        began = time.perf_counter()
        assert sampler.sample()
        took.append((time.perf_counter() - began) * 1000)
    return took


@contextlib.contextmanager
def collector(store: Path) -> Iterator[tuple[int, int]]:
    """A collector of its own that reaches no broker; its port and process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", "127.0.0.1:1",
         "--store", str(store), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().strip().rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait(30)


def asked(port: int, pages: list[str], times: int) -> dict[str, list[float]]:
    """How long each page takes, in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took: dict[str, list[float]] = {page: [] for page in pages}
    for turn in range(times + 1):
        for page in pages:
            began = time.perf_counter()
            connection.request("GET", page, headers={"accept": "text/html"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (page, answer.status, body[:200])
            if turn:  # the first one loads what is loaded once
                took[page].append((time.perf_counter() - began) * 1000)
    return took


def costs(port: int, pid: int, pages: list[str], times: int) -> dict[str, float]:
    """Processor time of the collector for a request of each page, in ms; nothing where the kernel doesn't tell."""
    if not Path("/proc/self/stat").exists():
        return {}
    found = {}
    for page in pages:
        before = cpu_seconds(pid)
        asked(port, [page], times - 1)
        found[page] = (cpu_seconds(pid) - before) * 1000 / times
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--flows", type=int, default=20)
    parser.add_argument("--edges", type=int, default=100)
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--times", type=int, default=100, help="how often each page is asked for")
    options = parser.parse_args()
    began = now_text()
    busy = Busy(options.groups, options.flows, options.edges)
    end = int(time.time()) // HOUR * HOUR - HOUR
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "store.sqlite"
        database = SqliteDatabase(store)
        sizes = fill(database, busy, end - options.days * DAY, options.days)
        took = sampled(database, busy, end, (int(time.time()) - end) // MINUTE)
        database.close()
        pages = [f"/history?window={window}" for window in WINDOWS]
        pages += [f"{page}&window=7d" for page in ("/history?group=team-1-service-1", "/history?flow=flow-1")]
        pages += [
            f"/api/v1/history/{of}?window=7d" for of in ("lag", "outcomes", "steps", "dead-letters", "edges")
        ]
        with collector(store) as (port, pid):
            load = os.getloadavg()[0]
            answers = asked(port, pages, options.times)
            cpu = costs(port, pid, pages, max(10, options.times // 4))
    report(options, sizes, took, answers, cpu, load, began)


def report(
    options: argparse.Namespace,
    sizes: list[float],
    took: list[float],
    answers: dict[str, list[float]],
    cpu: dict[str, float],
    load: float,
    began: str,
) -> None:
    """The table and the file."""
    growth = [after - before for before, after in pairwise(sizes)]
    html = {page: values for page, values in answers.items() if page.startswith("/history")}
    figures = {
        "grown_mb_first_day": round(growth[0], 2),
        "grown_mb_each_day_after": round(max(growth[1:], default=0.0), 2),
        "store_mb": round(sizes[-1], 2),
        "sample_p50_ms": round(statistics.median(took), 1),
        "page_p50_ms": round(max(map(statistics.median, html.values())), 1),
        "page_p99_ms": round(max(map(p99, html.values())), 1),
        "answer_p99_ms": round(max(p99(values) for page, values in answers.items() if page not in html), 1),
    }
    if cpu:
        figures["page_cpu_ms"] = round(max(cpu[page] for page in html), 1)
    show(figures, TARGETS, 34)
    print(f"  the machine's load when pages were asked for: {load:.1f} on {os.cpu_count()} cores")
    by_page = {page: round(p99(values), 1) for page, values in answers.items()}
    for page, value in by_page.items():
        middle, spent = statistics.median(answers[page]), cpu.get(page)
        print(
            f"  {page:50} {value:>8,} ms p99 {middle:>8,.1f} ms p50",
            "" if spent is None else f"{spent:>8,.1f} ms of the processor",
        )
    runs = {
        **vars(options),
        "sizes_mb": [round(size, 2) for size in sizes],
        "load": round(load, 1),
        "pages_p99_ms": by_page,
        "pages_cpu_ms": {page: round(value, 1) for page, value in cpu.items()},
    }
    write(OUT, started=began, versions={}, runs=runs, figures=figures, targets=TARGETS)


if __name__ == "__main__":
    main()
