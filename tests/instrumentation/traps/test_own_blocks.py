"""A program's own spans and baggage around calls of wrapped consumers, opened and closed in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from flowtrail._context import current_flow, get_current
from instrumentation.support import Lab
from instrumentation.traps.test_interleaved import WAYS, Source, flow_id


class Carried(AbstractContextManager[None]):
    """A block in which something is in the baggage."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self._token = context.attach(baggage.set_baggage(self.name, "own"))

    def __exit__(self, *exception: object) -> None:
        context.detach(self._token)


class Layer(NamedTuple):
    """Something that is current until it ends: a block of the program, or the handling of a record."""

    name: str
    consumer: int | None = None
    span: Any = None


class Program:
    """Runs steps, and knows what should be current after each.

    The model has no contexts: what is current is a pile of layers. A block puts one on it, and at its end the
    pile that there was before in its place, as OpenTelemetry does. A call of a consumer takes out its own, and
    puts the record on top that it brings.
    """

    def __init__(self, ways: list[str], headers: Sequence[tuple[str, bytes]] = (), **settings: Any) -> None:
        self.lab = Lab(**settings)
        self.tracer = self.lab.provider.get_tracer("program")
        self.before = dict(get_current())
        self.sources = [Source(self.lab, way, f"flow{n}", f"group{n}", headers) for n, way in enumerate(ways)]
        self.sent = {name for name, _ in headers}
        self.over: set[int] = set()
        self.in_hand: dict[int, Layer] = {}
        self.pile: tuple[Layer, ...] = ()
        self.blocks: list[tuple[AbstractContextManager[Any], tuple[Layer, ...]]] = []
        self.count = 0

    async def step(self, action: str, choice: int) -> None:
        consumer = choice % len(self.sources)
        if action in ("ask", "close") and consumer not in self.over:
            await self._call(consumer, action)
        elif action in ("span", "baggage"):
            self._open(action)
        elif action == "end" and self.blocks:
            block, self.pile = self.blocks.pop()
            block.__exit__(None, None, None)
        self.check((action, consumer))

    async def _call(self, consumer: int, action: str) -> None:
        self.in_hand.pop(consumer, None)
        self.pile = tuple(layer for layer in self.pile if layer.consumer != consumer)
        came = None
        if action == "ask":
            came = await self.sources[consumer].step()
        else:
            await self.sources[consumer].close()
        if came is None:
            self.over.add(consumer)
            return
        flow: Any = current_flow()
        assert flow is not None, "the record that came is being handled"
        own = flow.span is not None or "traceparent" in self.sent
        self.in_hand[consumer] = Layer(came, consumer, trace.get_current_span() if own else None)
        self.pile += (self.in_hand[consumer],)

    def _open(self, action: str) -> None:
        self.count += 1
        name = f"block{self.count}"
        block: Any = Carried(name) if action == "baggage" else self.tracer.start_as_current_span(name)
        before = self.pile
        self.pile += (Layer(name, span=block.__enter__()),)
        self.blocks.append((block, before))

    def check(self, after: object) -> None:
        records = [layer for layer in self.pile if layer.consumer is not None]
        if any(layer not in self.in_hand.values() for layer in records):
            return  # a block ended that began in a handling that is over: nothing is promised until it is asked
        assert flow_id() == (records[-1].name if records else None), after
        spans = [layer.span for layer in self.pile if layer.span is not None]
        assert trace.get_current_span() is (spans[-1] if spans else trace.INVALID_SPAN), after
        carried = {layer.name for layer in self.pile if layer.consumer is None and layer.span is None}
        if records and "baggage" in self.sent:
            carried.add("sent")
        assert set(baggage.get_all()) == carried, after

    async def finish(self) -> None:
        """The blocks end, then all is asked once more, and closed."""
        for action in ["end"] * len(self.blocks):
            await self.step(action, 0)
        self.over.clear()
        for consumer in range(len(self.sources)):
            await self.step("close", consumer)
        assert dict(get_current()) == self.before


async def _run(ways: list[str], steps: list[tuple[str, int]], kind: str = "sampled") -> None:
    program = Program(ways, **KINDS[kind]())
    for action, choice in steps:
        await program.step(action, choice)
    await program.finish()


ACTIONS = ("ask", "span", "baggage", "end", "close")
REMOTE = b"00-" + b"1" * 32 + b"-" + b"2" * 16
KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "sampled": lambda: {"headers": [("baggage", b"sent=1")], "baggage_keys": ["sent"]},
    "sampled by the sender": lambda: {"headers": [("traceparent", REMOTE + b"-01")]},
    "not sampled": lambda: {"headers": [("traceparent", REMOTE + b"-00")]},
    "not sampled here": lambda: {
        "headers": [("traceparent", REMOTE + b"-01"), ("baggage", b"sent=1")],
        "baggage_keys": ["sent"],
        "sampler": ALWAYS_OFF,
    },
    "not traced": lambda: {"tracer_provider": trace.NoOpTracerProvider()},
}


@pytest.mark.slow
@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_order_of_four_steps_with_one_consumer(way: str, kind: str) -> None:
    async def every() -> None:
        for steps in product(("ask", "span", "end", "close"), repeat=4):
            await _run([way], [(step, 0) for step in ("ask", *steps)], kind)

    asyncio.run(every())


@given(
    st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from([*ACTIONS[:4] * 2, "close"]), st.integers(0, 5)), max_size=16),
    st.sampled_from(sorted(KINDS)),
)
def test_any_order_with_several_consumers(ways: list[str], steps: list[tuple[str, int]], kind: str) -> None:
    asyncio.run(_run(ways, steps, kind))
