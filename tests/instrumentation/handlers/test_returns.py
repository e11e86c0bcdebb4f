"""What handlers return, with every client: nothing is committed that has not run."""

import asyncio
import functools
import types
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flowtrail
from devbroker import DevBroker
from instrumentation.delivery.ground import ground_of, header, wait_for
from instrumentation.handlers.shapes import ADAPTERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]

Do = Callable[[Any], None]
"""What a handler should get done with its event or batch."""
Handler = Callable[[Any], Any]

POOL = ThreadPoolExecutor(2)


def hidden(function: Handler) -> Handler:
    """Nothing shows what it is before it is called."""
    return lambda given: function(given)  # noqa: PLW0108 - that is the point


def soon(do: Do) -> Handler:
    """A coroutine function that gets it done after a moment, in which a careless caller has gone on."""

    async def handle(given: Any) -> None:
        await asyncio.sleep(0.05)
        do(given)

    return handle


class Called:
    def __init__(self, call: Handler) -> None:
        self.call = call

    def __call__(self, given: Any) -> Any:
        return self.call(given)


class CalledLater(Called):
    async def __call__(self, given: Any) -> Any:
        return await self.call(given)

    async def method(self, given: Any) -> Any:
        return await self.call(given)


class Awaited:
    """No coroutine, but it can be awaited."""

    def __init__(self, awaitable: Any) -> None:
        self.awaitable = awaitable

    def __await__(self) -> Generator[Any, None, Any]:
        return self.awaitable.__await__()  # type: ignore[no-any-return]


def decorated(do: Do) -> Handler:
    function = soon(do)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def task(do: Do) -> Handler:
    async def handle(given: Any) -> Any:
        return asyncio.create_task(soon(do)(given))

    return handle


def coroutine_of_coroutine(do: Do) -> Handler:
    async def handle(given: Any) -> Any:
        return soon(do)(given)

    return handle


def generator_based(do: Do) -> Handler:
    @types.coroutine
    def handle(given: Any) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0.05).__await__()
        do(given)

    return handle


def later(do: Do, given: Any) -> Any:
    return soon(do)(given)


RUN: dict[str, Callable[[Do], Handler]] = {
    "nothing": hidden,
    "a value": lambda do: lambda given: do(given) or 7,
    "a coroutine, as its function": soon,
    "a coroutine, from a lambda": lambda do: hidden(soon(do)),
    "a coroutine, from a plain decorator": decorated,
    "a coroutine, from a partial": lambda do: functools.partial(later, do),
    "a coroutine, from a partial of its function": lambda do: functools.partial(soon(do)),
    "a coroutine, from an object": lambda do: CalledLater(soon(do)),
    "a coroutine, from a method": lambda do: CalledLater(soon(do)).method,
    "a coroutine, from a plain object": lambda do: Called(soon(do)),
    "a coroutine of a coroutine": coroutine_of_coroutine,
    "a generator that is a coroutine": generator_based,
    "a task": task,
    "an object that can be awaited": lambda do: lambda given: Awaited(soon(do)(given)),
    "a future of a thread pool": lambda do: lambda given: POOL.submit(asyncio.run, soon(do)(given)),
}
"""What is returned, and a handler that returns it; all of these get it done, or raise what it raises."""


def generator(do: Do) -> Handler:
    def handle(given: Any) -> Iterator[int]:
        do(given)
        yield 1

    return handle


def async_generator(do: Do) -> Handler:
    async def handle(given: Any) -> Any:
        do(given)
        yield 1

    return handle


def coroutine_of_generator(do: Do) -> Handler:
    async def handle(given: Any) -> Any:
        return generator(do)(given)

    return handle


NEVER_RUN: dict[str, Callable[[Do], Handler]] = {
    "a generator": lambda do: hidden(generator(do)),
    "an async generator": lambda do: hidden(async_generator(do)),
    "a generator, from a plain decorator": lambda do: functools.wraps(generator(do))(hidden(generator(do))),
    "a generator, from a coroutine": coroutine_of_generator,
    "a map": lambda do: lambda given: map(do, [given]),
    "a filter": lambda do: lambda given: filter(do, [given]),
    "a generator expression": lambda do: lambda given: (do(one) for one in [given]),
}
"""What nobody will ever run: it goes to the dead letters."""

OUTCOMES = {"done": RUN, "raises": RUN, "never run": NEVER_RUN}
Cell = tuple[str, str, int | None]
CELLS: list[Cell] = [
    (outcome, returned, batch)
    for outcome, table in OUTCOMES.items()
    for returned in table
    for batch in (None, 10)
]


class Run:
    """One trail with an event type for each cell, until everything is committed."""

    def __init__(self, adapter: str, broker: str) -> None:
        self.done: dict[Cell, int] = dict.fromkeys(CELLS, 0)
        name = uuid.uuid4().hex[:12]
        trail = flowtrail.Trail("s", broker, client=adapter)
        types = {f"cell-{number}": cell for number, cell in enumerate(CELLS)}
        for type, cell in types.items():
            outcome, returned, batch = cell
            handler = OUTCOMES[outcome][returned](self._do(cell))
            trail.consumer(name, types=type, batch=batch, retry=flowtrail.Retry(attempts=1))(handler)
        with ground_of(broker) as ground:
            ground.create(name, partitions=1)
            for type in types:
                trail.publish(name, {}, type=type)
            with trail.running():
                wait_for(lambda: ground.caught_up("s", name), "everything")
                self.done_when_committed = dict(self.done)
            self.dead: dict[Cell, list[str]] = {cell: [] for cell in CELLS}
            for letter in ground.read(f"{name}.s.dlq"):
                self.dead[types[header(letter, "ce_type")]].append(header(letter, "dlq.error.type"))
            trail.close()

    def _do(self, cell: Cell) -> Do:
        def do(_: Any) -> None:
            self.done[cell] += 1
            if cell[0] == "raises":
                raise ValueError("as it should")

        return do


@pytest.fixture(scope="module", params=ADAPTERS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with DevBroker(partitions=1) as broker:
        yield Run(request.param, broker.bootstrap_servers)


@pytest.mark.parametrize(
    "cell",
    CELLS,
    ids=[f"{outcome}-{returned}-{'batch' if batch else 'event'}" for outcome, returned, batch in CELLS],
)
def test_a_record_is_committed_when_its_handler_has_run(run: Run, cell: Cell) -> None:
    outcome = cell[0]
    assert run.done_when_committed[cell] == run.done[cell] == (0 if outcome == "never run" else 1)
    expected = {"done": [], "raises": ["ValueError"], "never run": ["flowtrail.errors.HandlerError"]}
    assert run.dead[cell] == expected[outcome]


class Generates:
    def __call__(self, given: Any) -> Iterator[int]:
        yield 1

    def method(self, given: Any) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (generator(print), "is a generator"),
        (async_generator(print), "is an async generator"),
        (functools.partial(generator(print)), "is a generator"),
        (functools.partial(functools.partial(async_generator(print))), "is an async generator"),
        (Generates(), "is a generator"),
        (Generates().method, "is a generator"),
        (functools.partial(Generates()), "is a generator"),
        (7, "can't be called"),
    ],
)
def test_generators_are_refused_where_they_are_registered(handler: Any, said: str) -> None:
    trail = flowtrail.Trail("billing")
    with pytest.raises(flowtrail.ConfigurationError, match=said):
        trail.consumer("orders")(handler)
    with pytest.raises(flowtrail.ConfigurationError, match="nothing to run"):
        trail.run()
