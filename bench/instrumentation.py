"""What instrumentation costs per message, beside OpenTelemetry's for kafka-python, pika and aio-pika.

    python -m bench.instrumentation

Both instrument the same fake client in the same process, with the same tracer
provider: one message is one `send` with its acknowledgement, or one record handed over, handled (by
nothing) and followed by the next. The bare client, theirs and ours run in turns, in short chunks;
what is reported is the median CPU time per message of the whole process, so that work put off to an
exporter's thread counts, less the bare client's. The ratio is ours to theirs, producing and consuming
together, for each tracer provider: none, nothing sampled, 1 % sampled, everything sampled and exported in batches
to an exporter that drops it.

Ours runs with correlation, Prometheus metrics and one INFO log record per publication and
consumption, which go to a handler that drops them; theirs has none of these. Formatting and writing
log lines costs what the program's own handlers cost: `wrapped_us_noop_text_log` shows it for a
plain text file.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import logging
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.instrumentation.kafka.utils import _wrap_next, _wrap_send
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry
from wrapt import wrap_function_wrapper

from bench import instrumentation_rabbitmq as rabbitmq
from bench.instrumentation_clients import ACKNOWLEDGED, Discard, Drop, fake_clients
from flowtrail._telemetry import Telemetry
from flowtrail._wrap import wrap_consumer, wrap_producer
from flowtrail.instrumentor import KafkaPythonInstrumentor
from flowtrail.instrumentor._base import Patches

OUT = Path("build/bench/instrumentation.json")
TARGET = 0.5
SETUPS = ("noop", "always_off", "ratio_1pct", "batch")
CLIENTS = ["kafka_python", "pika", "aio_pika"]
LOOP = asyncio.new_event_loop()
RABBITMQ: dict[str, dict[str, Callable[..., tuple[Any, Any]]]] = {
    "pika": {
        "bare": rabbitmq.pika_bare,
        "contrib": rabbitmq.pika_theirs,
        "wrapped": rabbitmq.pika_ours,
        "zero_code": rabbitmq.pika_zero_code,
    },
    "aio_pika": {
        "bare": partial(rabbitmq.aio_pika_bare, LOOP),
        "contrib": partial(rabbitmq.aio_pika_theirs, LOOP),
        "wrapped": partial(rabbitmq.aio_pika_ours, LOOP),
        "zero_code": partial(rabbitmq.aio_pika_zero_code, LOOP),
    },
}

Chunk = Callable[[int], None]


def provider_of(setup: str) -> tuple[Any, Callable[[], Any]]:
    """A tracer provider, and what exports everything it holds."""
    if setup == "noop":
        return NoOpTracerProvider(), lambda: None
    sampler = {
        "always_off": ALWAYS_OFF,
        "ratio_1pct": ParentBased(TraceIdRatioBased(0.01)),
        "batch": None,
    }[setup]
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=100_000))
    return provider, provider.force_flush


def chunks_of(
    producer: Any, consumer: Any, flush: Callable[[], Any], rest: Callable[[], Any] = lambda: None
) -> tuple[Chunk, Chunk]:
    """Producing and consuming so many messages; `rest` ends the handling of the last one."""

    def produce(messages: int) -> None:
        for _ in range(messages):
            producer.send("orders", b"value", b"key").success(ACKNOWLEDGED)
        flush()

    def consume(messages: int) -> None:
        for _ in range(messages):
            next(consumer)
        rest()
        flush()

    return produce, consume


def bare() -> tuple[Chunk, Chunk]:
    """The fake client alone."""
    producer, consumer = fake_clients()
    return chunks_of(producer(), consumer([]), lambda: None)


def theirs(setup: str) -> tuple[Chunk, Chunk]:
    """opentelemetry-instrumentation-kafka-python, patched in as its instrumentor does."""
    provider, flush = provider_of(setup)
    tracer = provider.get_tracer("bench")
    producer_class, consumer_class = fake_clients()
    wrap_function_wrapper(producer_class, "send", _wrap_send(tracer, None))
    wrap_function_wrapper(consumer_class, "__next__", _wrap_next(tracer, None))
    producer = producer_class()
    producer.send("orders", b"value", b"key")
    return chunks_of(producer, consumer_class(producer.headers), flush)


def ours(setup: str) -> tuple[Chunk, Chunk]:
    """Our wrapped clients."""
    provider, flush = provider_of(setup)
    telemetry = Telemetry("bench", tracer_provider=provider, registry=CollectorRegistry())
    producer_class, consumer_class = fake_clients()
    inner = producer_class()
    producer = wrap_producer(telemetry, inner)
    producer.send("orders", b"value", b"key")
    consumer = wrap_consumer(telemetry, consumer_class(inner.headers))
    return chunks_of(producer, consumer, flush, consumer._flowtrail_receiver.take_back)


def ours_zero_code(setup: str) -> tuple[Chunk, Chunk]:
    """Our patches, as the instrumentor puts them on kafka-python's classes."""
    provider, flush = provider_of(setup)
    producer_class, consumer_class = fake_clients()
    instrumentor = object.__new__(KafkaPythonInstrumentor)
    instrumentor.telemetry = Telemetry("bench", tracer_provider=provider, registry=CollectorRegistry())
    patches = Patches()
    patches.replace(producer_class, "send", instrumentor._send)
    patches.replace(consumer_class, "__next__", instrumentor._next)
    producer = producer_class()
    producer.send("orders", b"value", b"key")
    consumer = consumer_class(producer.headers)
    next(consumer)
    return chunks_of(producer, consumer, flush, consumer._flowtrail_receiver.take_back)


def in_turns(
    kinds: dict[str, tuple[Chunk, Chunk]], messages: int, rounds: int
) -> dict[str, list[list[float]]]:
    """CPU microseconds per message of producing and consuming, per kind and round."""
    found: dict[str, list[list[float]]] = {name: [[], []] for name in kinds}
    for number in range(rounds + 1):
        for name, pair in kinds.items():
            for place, chunk in enumerate(pair):
                before = time.process_time_ns()
                chunk(messages)
                spent = (time.process_time_ns() - before) / messages / 1000
                if number:  # the first round warms up
                    found[name][place].append(spent)
    return found


def overheads(found: dict[str, list[list[float]]]) -> dict[str, tuple[float, float]]:
    """Median microseconds above the bare client, per kind: producing, consuming."""
    medians = {name: [statistics.median(times) for times in pair] for name, pair in found.items()}
    base = medians["bare"]
    return {name: (pair[0] - base[0], pair[1] - base[1]) for name, pair in medians.items() if name != "bare"}


def set_logging(handler: logging.Handler) -> None:
    """Our log lines go to this handler only."""
    for name in ("flowtrail.publish", "flowtrail.consume"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def spread(times: list[list[float]]) -> float:
    """Half the distance between the quartiles of produce and consume together."""
    sums: list[float] = [sum(pair) for pair in zip(*times, strict=True)]
    quartiles = statistics.quantiles(sums, n=4)
    return (quartiles[2] - quartiles[0]) / 2


def kinds_of(client: str, setup: str) -> dict[str, tuple[Chunk, Chunk]]:
    """What is measured in turns for a client."""
    if client == "kafka_python":
        return {
            "bare": bare(),
            "contrib": theirs(setup),
            "wrapped": ours(setup),
            "zero_code": ours_zero_code(setup),
        }
    found: dict[str, tuple[Chunk, Chunk]] = {}
    for kind, make in RABBITMQ[client].items():
        provider, flush = provider_of(setup)
        if kind == "bare":
            found[kind] = make()
        elif kind == "contrib":
            found[kind] = make(provider, flush)
        else:
            found[kind] = make(
                Telemetry("bench", tracer_provider=provider, registry=CollectorRegistry()), flush
            )
    return found


def measure(client: str, messages: int, rounds: int) -> dict[str, float]:
    """All figures of a client; prints a line per setup."""
    figures: dict[str, float] = {}
    prefix = "" if client == "kafka_python" else f"{client}_"
    print(f"{client:12}{'kind':16}{'produce':>10}{'consume':>10}{'total us':>10}{'+-':>7}{'ratio':>8}")
    for setup in SETUPS:
        set_logging(Drop())
        found = in_turns(kinds_of(client, setup), messages, rounds)
        spent = overheads(found)
        reference = sum(spent["contrib"])
        for kind, (produce, consume) in spent.items():
            total = produce + consume
            ratio = total / reference
            print(
                f"{setup:12}{kind:16}{produce:10.2f}{consume:10.2f}{total:10.2f}"
                f"{spread(found[kind]):7.2f}{ratio:8.2f}"
            )
            figures[f"{prefix}{kind}_us_{setup}"] = round(total, 2)
        for kind, name in (("wrapped", "overhead_ratio"), ("zero_code", "overhead_ratio_zero_code")):
            figures[f"{name}_{prefix}{setup}"] = round(sum(spent[kind]) / reference, 3)
    return figures


def measure_text_log(messages: int, rounds: int) -> dict[str, float]:
    """The same with log lines formatted and written to a file, and with logs off."""
    figures = {}
    with Path("/dev/null").open("w", encoding="utf-8") as sink:
        handler = logging.StreamHandler(sink)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        set_logging(handler)
        spent = overheads(in_turns({"bare": bare(), "ours": ours("noop")}, messages, rounds))
        figures["wrapped_us_noop_text_log"] = round(sum(spent["ours"]), 2)
    set_logging(Drop())
    for name in ("flowtrail.publish", "flowtrail.consume"):
        logging.getLogger(name).setLevel(logging.WARNING)
    spent = overheads(in_turns({"bare": bare(), "ours": ours("noop")}, messages, rounds))
    figures["wrapped_us_noop_without_log"] = round(sum(spent["ours"]), 2)
    for name, value in figures.items():
        print(f"{name:40}{value:8.2f}")
    return figures


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=2000, help="per chunk")
    parser.add_argument("--rounds", type=int, default=40, help="chunks per kind and setup")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=CLIENTS)
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    for client in arguments.clients:
        figures |= measure(client, arguments.messages, arguments.rounds)
    figures |= measure_text_log(arguments.messages, arguments.rounds // 4)
    ratios = [f"overhead_ratio_{prefix}{setup}" for prefix in ("", "pika_", "aio_pika_") for setup in SETUPS]
    targets = {name: ("<=", TARGET) for name in ratios if name in figures}
    for name, (_, limit) in targets.items():
        verdict = "met" if figures[name] <= limit else "MISSED"
        print(f"{name:40}{figures[name]:8.3f}  {verdict} (<= {limit})")
    write(arguments.messages, arguments.rounds, figures, targets)


PACKAGES = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-kafka-python",
    "opentelemetry-instrumentation-pika",
    "opentelemetry-instrumentation-aio-pika",
    "kafka-python",
    "pika",
    "aio-pika",
    "prometheus-client",
)


def write(
    messages: int, rounds: int, figures: dict[str, float], targets: dict[str, tuple[str, float]]
) -> None:
    """Write the JSON."""
    found = {
        "command": f"python -m bench.instrumentation --messages {messages} --rounds {rounds}",
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "runs": rounds,
        "figures": figures,
        "targets": targets,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
