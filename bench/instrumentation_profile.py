"""What the rest of the instrumentation's cost is made of, where no tracer provider is set up.

    python -m bench.instrumentation_profile

Times each step of one publication and one consumption by itself, in turns with all the others, on the
objects that `bench.instrumentation` uses: median CPU nanoseconds, less an empty call, and its share of
what the whole costs above the bare client.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from prometheus_client import CollectorRegistry

from bench.instrumentation import (
    bare,
    in_turns,
    ours,
    overheads,
    provider_of,
    set_logging,
)
from bench.instrumentation_clients import Answer, Drop, fake_clients
from flowtrail._context import FLOW_KEY, attach, get_current
from flowtrail._telemetry import MessageTracer as Sender
from flowtrail._telemetry import OutgoingMessage as Sending
from flowtrail._telemetry import Telemetry
from flowtrail._telemetry.identity import identify
from flowtrail._telemetry.logs import CONSUME, PUBLISH, report
from flowtrail._telemetry.outgoing import OutgoingEvent
from flowtrail._telemetry.processing import Processing

Step = Callable[[], Any]


def steps_of(telemetry: Telemetry) -> dict[str, tuple[str, Step]]:
    """Each step by name, with the half it belongs to."""
    sending = Sender(telemetry, "bench").start("orders", b"value", b"key", None)
    return {
        **_of_publication(telemetry, sending),
        **_of_consumption(telemetry, sending.headers),
        "three readings of a clock": (
            "both",
            lambda: (telemetry.monotonic_ns(), telemetry.monotonic_ns(), telemetry.time_ns()),
        ),
    }


def _of_publication(telemetry: Telemetry, sending: Sending) -> dict[str, tuple[str, Step]]:
    route = telemetry.send_route("orders", "bench")
    event = OutgoingEvent(telemetry, route, b"key", False)

    def acknowledged() -> None:
        Answer()._add_cb_eb(sending.done, sending.fail)

    return {
        "publication object": ("produce", lambda: Sending(telemetry, route, b"key", False)),
        "event, correlation, causation ids": (
            "produce",
            lambda: identify(event, None, None, telemetry.ids),
        ),
        "callback at the client's future": ("produce", acknowledged),
        "log record, publication": (
            "produce",
            lambda: report(PUBLISH, logging.INFO, telemetry.time_ns(), sending),
        ),
        "metrics of 256 publications": ("produce/256", _settled(route, 0.001)),
    }


def _of_consumption(telemetry: Telemetry, headers: Any) -> dict[str, tuple[str, Step]]:
    route = telemetry.process_route("orders", "g", "bench")
    _, consumer_class = fake_clients()
    record = consumer_class(headers).record
    envelope = telemetry.read(record)
    processing = Processing(telemetry, route, record, envelope)
    outer = get_current()

    def switched() -> None:
        attach(Context({**outer, FLOW_KEY: processing}))
        attach(outer)

    return {
        "reading and checking the headers": ("consume", lambda: telemetry.read(record)),
        "handling object": ("consume", lambda: Processing(telemetry, route, record, envelope)),
        "current flow, there and back": ("consume", switched),
        "log record, consumption": (
            "consume",
            lambda: report(CONSUME, logging.INFO, telemetry.time_ns(), processing),
        ),
        "metrics of 256 consumptions": ("consume/256", _settled(route, (0.001, 0.1))),
    }


def _settled(route: Any, value: Any) -> Step:
    values = [value] * route.many

    def settle() -> None:
        route.pending.extend(values)
        route.settle()

    return settle


def timed(steps: dict[str, Step], calls: int, rounds: int) -> dict[str, float]:
    """Median CPU nanoseconds per call of each step, measured in turns."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            before = time.process_time_ns()
            for _ in range(calls):
                step()
            if number:
                found[name].append((time.process_time_ns() - before) / calls)
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=1000, help="per step and round")
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    set_logging(Drop())
    provider, _ = provider_of("noop")
    telemetry = Telemetry("bench", tracer_provider=provider, registry=CollectorRegistry())
    steps = steps_of(telemetry)
    nothing: Step = lambda: None  # noqa: E731
    spent = timed(
        {"": nothing} | {name: step for name, (_, step) in steps.items()}, arguments.calls, arguments.rounds
    )
    empty = spent.pop("")
    whole = sum(
        overheads(in_turns({"bare": bare(), "ours": ours("noop")}, arguments.calls, arguments.rounds))["ours"]
    )
    print(f"{'step':40}{'half':>10}{'ns':>8}{'share':>8}")
    known = 0.0
    for name, (half, _) in steps.items():
        side, _, many = half.partition("/")
        cost = (spent[name] - empty) / int(many or 1)
        known += cost
        print(f"{name:40}{side:>10}{cost:8.0f}{cost / whole / 1000:8.0%}")
    rest = whole * 1000 - known
    print(f"{'calls and wrappers around them':40}{'both':>10}{rest:8.0f}{rest / whole / 1000:8.0%}")
    print(f"{'everything':40}{'':>10}{whole * 1000:8.0f}{1:8.0%}")


if __name__ == "__main__":
    main()
