"""`sys.exit` in a handler ends the program, whatever the handler is, and with the status it said."""

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flowtrail
from devbroker import DevBroker
from instrumentation.delivery.ground import ground_of
from instrumentation.handlers.shapes import ADAPTERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170), pytest.mark.sampled(5)]

Leave = Callable[[], None]


def event_loop(leave: Leave) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        await asyncio.sleep(0)
        leave()

    return handle


async def leaving(leave: Leave) -> None:
    leave()


def awaited_task(leave: Leave) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        await asyncio.create_task(leaving(leave))

    return handle


def task_left_alone(leave: Leave) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        task = asyncio.create_task(leaving(leave))
        await asyncio.sleep(60)
        del task

    return handle


def task_group(leave: Leave) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leaving(leave))

    return handle


def callback(leave: Leave) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        asyncio.get_running_loop().call_soon(leave)
        await asyncio.sleep(60)

    return handle


HANDLERS: dict[str, Callable[[Leave], Callable[[Any], Any]]] = {
    "plain": lambda leave: lambda _: leave(),
    "coroutine": event_loop,
    "awaited-task": awaited_task,
    "task-left-alone": task_left_alone,
    "task-group": task_group,
    "callback": callback,
}


def interrupt() -> None:
    raise KeyboardInterrupt


class OtherEnd(BaseException):
    """Not an `Exception`: nobody is meant to catch it."""


def otherwise() -> None:
    raise OtherEnd


ENDS: dict[str, tuple[Leave, type[BaseException]]] = {
    "exit-3": (lambda: sys.exit(3), SystemExit),
    "exit-text": (lambda: sys.exit("no licence"), SystemExit),
    "interrupt": (interrupt, KeyboardInterrupt),
    "other": (otherwise, OtherEnd),
}
OWN_ENDS = {"other": {"awaited-task", "task-left-alone", "task-group", "callback"}}
"""Of these asyncio keeps what isn't an exit within the task, or makes a group of it."""
CELLS = [
    (handler, end, batch)
    for handler in HANDLERS
    for end in ENDS
    for batch in (None, 10)
    if handler not in OWN_ENDS.get(end, ())
]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with DevBroker(partitions=1) as broker:
        yield broker.bootstrap_servers


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    ("handler", "end", "batch"), CELLS, ids=[f"{handler}-{end}-{batch or 1}" for handler, end, batch in CELLS]
)
def test_the_trail_ends_and_raises_what_the_handler_did(
    adapter: str, handler: str, end: str, batch: int | None, broker: str
) -> None:
    name, there = uuid.uuid4().hex[:12], set(threading.enumerate())
    leave, kind = ENDS[end]
    trail = flowtrail.Trail("s", broker, client=adapter)
    bad = HANDLERS[handler](leave)
    good: list[int] = []
    reached = threading.Event()

    def handle(given: Any) -> Any:
        event = given if batch is None else given.events[0]
        if event.data["number"] < 2:
            good.append(event.data["number"])
            return None
        reached.set()
        return bad(given)

    trail.consumer(name, group=name, batch=None if batch is None else 1)(handle)
    with ground_of(broker) as ground:
        ground.create(name, partitions=1)
        ground.publish(name, range(4))
        with pytest.raises(kind) as raised, trail.running():
            assert reached.wait(60)
        if kind is SystemExit:
            assert raised.value.code == (3 if end == "exit-3" else "no licence")  # type: ignore[attr-defined]
        assert good == [0, 1]
        assert ground.committed(name, name) == {0: 2}, "what came before is through, what ended it isn't"
    begun = set(threading.enumerate()) - there
    left = [thread.name for thread in begun if thread.name.startswith("flowtrail")]
    assert left == [], "nothing hangs"
    trail.close()


PROGRAM = """
import sys
import flowtrail

trail = flowtrail.Trail("s", sys.argv[1], client=sys.argv[2])

{definition}
    sys.exit({status})

trail.consumer(sys.argv[3], group=sys.argv[3])(handle)
trail.run()
"""


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("definition", ["def handle(event):", "async def handle(event):"])
@pytest.mark.parametrize(("status", "expected"), [("3", 3), ("0", 0), ("None", 0), ("'no licence'", 1)])
def test_the_exit_status_is_what_the_handler_said(
    adapter: str, definition: str, status: str, expected: int, broker: str
) -> None:
    name = uuid.uuid4().hex[:12]
    with ground_of(broker) as ground:
        ground.create(name, partitions=1)
        ground.publish(name, [0])
    program = PROGRAM.format(definition=definition, status=status)
    done = subprocess.run(
        [sys.executable, "-c", program, broker, adapter, name],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == expected, done.stderr
    assert ("no licence" in done.stderr.splitlines()) == (expected == 1)
