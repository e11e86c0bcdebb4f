"""How far waits are from the truth, over half an hour of each kind of traffic."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from lagkit import SimulatedCluster, Watch

Tick = Callable[[float], None]


class Traffic:
    """A producer and a consumer on one partition, driven every 0.1 s."""

    def __init__(self, cluster: SimulatedCluster, seed: int) -> None:
        self.cluster, self.dice = cluster, random.Random(seed)
        self.read, self.reading = 0.0, True
        self.began = cluster.now
        cluster.topic("orders")
        cluster.commit("billing", "orders", 0, 0)

    def consume(self, rate: float) -> None:
        if self.reading:
            self.read = min(self.cluster.logs["orders", 0].end, self.read + rate * 0.1)
            self.cluster.commit("billing", "orders", 0, int(self.read))

    def steady(self, now: float) -> None:
        self.cluster.produce("orders", count=2)
        self.consume(30 if (now - self.began) % 60 > 20 else 5)

    def bursty(self, now: float) -> None:
        if self.dice.random() < 0.01:
            self.cluster.produce("orders", count=self.dice.randrange(20, 400))
        self.consume(40)

    def stopped(self, now: float) -> None:
        self.steady(now)
        self.reading = now - self.began < 300

    def resumed(self, now: float) -> None:
        self.reading = not 300 < now - self.began < 900
        self.cluster.produce("orders", count=self.dice.choice((0, 0, 1, 2)))
        self.consume(25)

    def idle(self, now: float) -> None:
        if self.dice.random() < 0.002:
            self.cluster.produce("orders")
        if self.dice.random() < 0.005:
            self.consume(1e9)


@pytest.mark.slow
@pytest.mark.parametrize("probing", [True, False], ids=["probing", "interpolating"])
@pytest.mark.parametrize("kind", ["steady", "bursty", "stopped", "resumed", "idle"])
def test_mean_error_is_under_a_second(kind: str, probing: bool) -> None:
    cluster = SimulatedCluster()
    traffic = Traffic(cluster, seed=7)
    watch = Watch(cluster, probing=probing)
    tick: Tick = getattr(traffic, kind)
    watch.collect()
    errors = []
    for _ in range(360):
        watch.run(5, tick)
        waited, truth = watch.waited("billing", "orders"), cluster.waited("billing", "orders")
        assert waited is not None
        errors.append(abs(waited - truth))
        assert errors[-1] < max(2.0, 0.02 * truth)

    print(f"{kind}: mean {fmean(errors):.3f} s, worst {max(errors):.3f} s")
    assert fmean(errors) < 0.5
    mean, worst = documented(kind)
    assert mean[0] - 0.005 <= fmean(errors) <= mean[-1] + 0.005
    assert worst[0] - 0.05 <= max(errors) <= worst[-1] + 0.05


def documented(kind: str) -> tuple[list[float], list[float]]:
    """The figures of one kind of traffic in docs/explanation/lag-seconds.md: mean and worst, or their ranges."""
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "lag-seconds.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| {kind}"))
    mean, worst = ([float(number) for number in re.findall(r"[\d.]+", cell)] for cell in row.split("|")[2:4])
    return mean, worst
