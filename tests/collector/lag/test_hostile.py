"""A real cluster that odd things are done to: no figure is wrong, no series is there twice, no page is stale."""

import os
import random
import time
from collections import deque

import pytest

from hostilekit import RULES, HostileCluster, Mischief, Oracle, Watcher, differences, told_apart

pytestmark = pytest.mark.servers

_FULL = os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0")
CYCLES = 1_000 if _FULL else 100
_TOLD = os.environ.get("FLOWTRAIL_HOSTILE_SEED", "")
# In its hundred cycles a broker is killed and comes back.
_SHORT = 30
SEEDS = [int(_TOLD)] if _TOLD else [random.randrange(2**32) for _ in range(10)] if _FULL else [_SHORT]


@pytest.mark.slow(40)
@pytest.mark.timeout(3600 if _FULL else 600)
@pytest.mark.parametrize("run", range(len(SEEDS)))
def test_no_figure_is_wrong_whatever_is_done(hostile_cluster: HostileCluster, run: int) -> None:
    seed = SEEDS[run]
    # Whatever ends it is shown with this.
    print(f"FLOWTRAIL_HOSTILE_SEED={seed}")
    dice = random.Random(seed)
    mischief, oracle = Mischief(hostile_cluster, seed), Oracle(hostile_cluster, RULES)
    mischief.begin()
    watcher = Watcher(hostile_cluster.bootstrap)
    done: deque[str] = deque(maxlen=40)
    began, compared = time.monotonic(), 0
    for cycle in range(CYCLES):
        # Alone: who lists groups waits for a broker that has just gone, and tells of nothing new meanwhile.
        disrupted = mischief.disrupt()
        if dice.random() < 0.01 and disrupted is None:
            watcher.close()
            watcher, _ = Watcher(hostile_cluster.bootstrap), oracle.begin()
            done.append("another collector")
        steps = dice.choice((0, 0, 1, 1, 1, 2, 4)) if disrupted is None else 0
        done += [disrupted or "", *(mischief.step() for _ in range(steps))]
        hostile_cluster.look()
        oracle.memory.look(watcher.collect())
        hostile_cluster.look()
        page = watcher.page()
        if cycle % 10 == 0:
            assert watcher.page(openmetrics=True).values.keys() == page.values.keys()
        wrong = differences(page, oracle) + told_apart(watcher, page)
        wrong += watcher.is_stale(page, oracle.failures(), just_lost=disrupted is not None)
        compared += len(page.values)
        done.append(f"cycle {cycle}")
        assert not wrong, "\n".join([f"FLOWTRAIL_HOSTILE_SEED={seed}", *done, *wrong[:20]])
        wrong = watcher.learn(hostile_cluster.logs)
        assert not wrong, "\n".join([f"FLOWTRAIL_HOSTILE_SEED={seed}", *done, *wrong[:20]])
        if cycle % 100 == 99:
            print(f"seed {seed}: {cycle + 1} cycles, {(cycle + 1) / (time.monotonic() - began):.1f} a second, "
                  f"{compared} figures", flush=True)  # fmt: skip
    watcher.close()
