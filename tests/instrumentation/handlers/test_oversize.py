"""Dead letters at the limit of what a broker takes, with every client: they arrive, and nothing else suffers."""

import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

import flowtrail
from flowtrail.wire import Record
from instrumentation.delivery.ground import Ground, ground_of, wait_for
from instrumentation.handlers.shapes import ADAPTERS, SHAPES, Shape

pytestmark = [pytest.mark.slow(3), pytest.mark.timeout(170), pytest.mark.sampled(11)]

LIMIT = 1_048_588
"""Bytes of a batch that a broker takes by default; the clients' own limit is close to it."""
OVERHEAD = 100
"""Bytes of a batch around a record's own parts, about."""
CLIENT_LIMITS = {"confluent": 1_000_000}
WIDE = 2_000_000
WIDE_CLIENTS = {
    "kafka-python": {"producer": {"max_request_size": WIDE}},
    "confluent": {"producer": {"message.max.bytes": WIDE}},
    "aiokafka": {"producer": {"max_request_size": WIDE}},
}


class Size(NamedTuple):
    """A value's size in bytes (below 0: less than the limit), and what is left of the dead letter."""

    name: str
    value: int
    has_trace: bool
    oversize: bytes | None


SIZES = (
    Size("small", 100, True, None),
    Size("no room for the stack trace", -2_500, False, None),
    Size("no room for a header", -OVERHEAD, False, b"headers-only"),
)


def aside(record: Record) -> bytes:
    return b"%d bytes" % len(record.value or b"")


class Run:
    """One trail with a group for each shape, and for each way to move a value aside."""

    def __init__(self, adapter: str, wide: bool, ground: Ground) -> None:
        limit = LIMIT if wide else CLIENT_LIMITS.get(adapter, LIMIT)
        self.sizes = {size: size.value if size.value > 0 else limit + size.value for size in SIZES}
        self.ground = ground
        self.name = f"in-{uuid.uuid4().hex[:12]}"
        settings = WIDE_CLIENTS[adapter] if wide else None
        self.seen: dict[str, list[int]] = {}
        self._create()
        trail = flowtrail.Trail("s", ground.broker, client=adapter, client_settings=settings)
        groups = []
        for shape in SHAPES:
            for oversize in ("headers-only", aside):
                groups.append(self.group(shape, oversize))
                self._register(trail, shape, oversize)
        with trail.running():
            assert trail.ready(60)
            for number, size in enumerate(SIZES):
                self._publish(b"%d" % number, self.sizes[size])
                self._publish(b"good", 10)
            for group in groups:
                wait_for(lambda group=group: ground.caught_up(group, self.name), group, 100)  # type: ignore[misc]
        trail.close()
        self.letters = {
            group: {letter.key(): letter for letter in ground.read(f"{self.name}.{group}.dlq")}
            for group in groups
        }

    def group(self, shape: Shape, oversize: Any) -> str:
        return f"{self.name}-{shape.name}-{'moved' if callable(oversize) else 'left'}"

    def _create(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.ground.broker})
        for future in admin.create_topics([NewTopic(self.name, 1, 1)]).values():
            future.result(20)

    def _register(self, trail: flowtrail.Trail, shape: Shape, oversize: Any) -> None:
        seen = self.seen[self.group(shape, oversize)] = []

        def work(event: flowtrail.Event[Any]) -> None:
            seen.append(event.offset)
            if event.key != b"good":
                raise ValueError("x" * 900)

        shape.register(
            trail, self.name, work, group=self.group(shape, oversize), oversize=oversize,
            retry=flowtrail.Retry(attempts=1),
        )  # fmt: skip

    def _publish(self, key: bytes, size: int) -> None:
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.ground.broker, "message.max.bytes": WIDE}
        )
        refused: list[Any] = []
        value = b'"' + b"x" * (size - 2) + b'"'
        producer.produce(
            self.name, value, key=key, on_delivery=lambda error, _: refused.append(error) if error else None
        )
        assert producer.flush(60) == 0
        assert refused == []


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((adapter, broker, wide), id=f"{adapter}-{broker}-{'broker' if wide else 'client'}-limit")
        for adapter in ADAPTERS
        for broker in ("devbroker", "kafka")
        for wide in (False, True)
    ],
)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    adapter, kind, wide = request.param
    if kind == "kafka":
        with ground_of(request.getfixturevalue("kafka")) as ground:
            yield Run(adapter, wide, ground)
        return
    from devbroker import DevBroker

    with DevBroker(partitions=1) as broker, ground_of(broker.bootstrap_servers) as ground:
        yield Run(adapter, wide, ground)


@pytest.mark.parametrize("moved", [False, True], ids=["left", "moved"])
@pytest.mark.parametrize("size", SIZES, ids=[size.name for size in SIZES])
@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_letter_arrives_with_what_there_is_room_for(
    run: Run, shape: Shape, size: Size, moved: bool
) -> None:
    group = run.group(shape, aside if moved else "headers-only")
    assert run.seen[group] == list(range(2 * len(SIZES))), "no handler runs twice"
    letter = run.letters[group][b"%d" % SIZES.index(size)]
    headers = dict(letter.headers())
    assert (headers["dlq.offset"], headers["dlq.group"]) == (
        b"%d" % (2 * SIZES.index(size)),
        group.encode(),
    )
    assert headers.get("dlq.oversize") == (b"moved" if moved and size.oversize else size.oversize)
    if size.oversize is None:
        assert len(letter.value()) == run.sizes[size]
        assert ("dlq.error.stacktrace" in headers) == size.has_trace
    else:
        assert letter.value() == (b"%d bytes" % run.sizes[size] if moved else b"")
        assert headers["dlq.error.message"] == b"x" * 900
