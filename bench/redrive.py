"""A redrive of 100,000 dead letters on a real Kafka, its collector killed five times: what arrived, how fast.

    python -m bench.redrive [--count N] [--kills N] [--rounds N]

Each round has topics and a store of its own: dead letters of 6 partitions are redriven to their source topic while
the collector is killed (SIGKILL) at moments spread over the run. Afterwards every record of the source topic is
compared, byte by byte, with what was sent there once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from bench.results import kafka_in
from flowtrail_collector.dead_letters.redriver import BATCH
from redrivekit.killing import KilledRedrive

OUT = Path("build/bench/redrive.json")


def one_round(servers: str, folder: Path, count: int, kills: int, seed: int) -> dict[str, Any]:
    """Figures of one redrive."""
    killed = KilledRedrive(servers, folder)
    killed.bury(count)
    killed.collector.start()
    try:
        outcome = killed.run(count, kills, seed=seed)
    finally:
        killed.collector.kill()
    return {
        "count": count,
        "kills": outcome.kills,
        "killed_after": outcome.kill_points,
        "arrived": len(outcome.arrived),
        "lost": count - len(outcome.arrived),
        "duplicates": outcome.arrived.total() - len(outcome.arrived),
        "duplicates_allowed": outcome.kills * BATCH,
        "changed": len(outcome.changed),
        "refused": outcome.job["refused"],
        "seconds": round(outcome.seconds, 1),
        "per_second": round(count / outcome.seconds),
    }


def main() -> int:
    """Run the rounds; 1 if something was lost, changed or doubled too often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder, kafka_in(Path(folder)) as servers:
        for n in range(options.rounds):
            place = Path(folder) / str(n)
            place.mkdir()
            rounds.append(one_round(servers, place, options.count, options.kills, seed=n))
            print(json.dumps(rounds[-1]))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps({"machine": platform.platform(), "cpus": os.cpu_count(), "rounds": rounds}, indent=2)
    )
    good = all(
        not r["lost"] and not r["changed"] and not r["refused"] and r["duplicates"] <= r["duplicates_allowed"]
        for r in rounds
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
