"""Handlers that take longer than the client lets a member be away."""

import time
import uuid
from typing import Any

import pytest

import flowtrail
from flowtrail.clients import choose_client
from instrumentation.delivery.ground import Ground, ground_of, wait_for
from instrumentation.delivery.test_faults import Watched, settings
from instrumentation.handlers.shapes import ADAPTERS, SHAPES, Shape

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(170)]

POLL_INTERVAL_MS = 4000
HANDLER_SECONDS = 7


class Run:
    """One trail, a group for each shape, whose first record takes longer than the poll interval."""

    def __init__(self, adapter: str, broker: str, name: str) -> None:
        self.seen: dict[str, list[int]] = {shape.name: [] for shape in SHAPES}
        self.told: dict[str, list[tuple[str, int]]] = {}
        self.members: dict[str, list[set[str]]] = {}
        self.committed: dict[str, dict[int, int]] = {}
        trails = [self._trail(shape, adapter, broker, name) for shape in SHAPES]
        with ground_of(broker) as ground:
            ground.create(name, partitions=1)
            try:
                self._watch(ground, trails, name)
            finally:
                for trail in trails:
                    trail.close()

    def _watch(self, ground: Ground, trails: list[flowtrail.Trail], name: str) -> None:
        for trail in trails:
            trail._start()
            assert trail.ready(60)
        ground.publish(name, range(3))
        wait_for(lambda: all(self.seen.values()), "the slow ones to begin")
        groups = {shape.name: f"{name}-{shape.name}" for shape in SHAPES}
        before = {shape: ground.members(group) for shape, group in groups.items()}
        for group in groups.values():
            wait_for(lambda group=group: ground.caught_up(group, name), group)  # type: ignore[misc]
        for shape, group in groups.items():
            self.members[shape] = [before[shape], ground.members(group)]
            self.committed[shape] = ground.committed(group, name)
        self.told = {shape: list(told) for shape, told in self.told.items()}

    def _trail(self, shape: Shape, adapter: str, broker: str, topic: str) -> flowtrail.Trail:
        client = Watched(
            choose_client(adapter, broker, settings(adapter, max_poll_interval_ms=POLL_INTERVAL_MS))
        )
        self.told[shape.name] = client.told
        trail = flowtrail.Trail(f"{topic}-{shape.name}", client=client)
        seen = self.seen[shape.name]

        def work(event: flowtrail.Event[Any]) -> None:
            seen.append(event.offset)
            if event.offset == 0:
                time.sleep(HANDLER_SECONDS)

        shape.register(trail, topic, work, cancellable=True)
        return trail


@pytest.fixture(scope="module", params=ADAPTERS)
def run(request: pytest.FixtureRequest, kafka: str) -> Run:
    return Run(request.param, kafka, f"slow-{uuid.uuid4().hex[:12]}")


@pytest.mark.parametrize("shape", [shape.name for shape in SHAPES])
class TestLongerThanThePollInterval:
    def test_the_member_stays(self, run: Run, shape: str) -> None:
        before, after = run.members[shape]
        assert before == after
        assert len(before) == 1

    def test_nothing_is_taken_away(self, run: Run, shape: str) -> None:
        assert {name for name, _ in run.told[shape]} == {"assigned"}

    def test_every_record_is_handled_once(self, run: Run, shape: str) -> None:
        assert run.seen[shape] == [0, 1, 2]
        assert run.committed[shape] == {0: 3}
