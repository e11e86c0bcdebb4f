"""`python -m devbroker.bench`: what the broker does per second, beside another one if its address is given.

It starts a devbroker as a process of its own, as the demo does, and measures with kafka-python and,
when it is installed, confluent-kafka.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_VALUE = bytes(400)
_HEADERS: list[tuple[str, str | bytes | None]] = [
    (f"header-{number}", b"0123456789abcdef") for number in range(6)
]
_WAIT_SECONDS = 60.0

Measure = Callable[[str, str, int], float]
"""Takes bootstrap servers, a topic and a number of messages; hands back the seconds it took."""


def produce_kafka_python(servers: str, topic: str, count: int) -> float:
    """Produce with kafka-python, acknowledged, five milliseconds of linger."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=5)
    producer.send(topic, _VALUE, partition=0).get(_WAIT_SECONDS)
    started = time.perf_counter()
    for _ in range(count - 1):
        producer.send(topic, _VALUE, partition=0, headers=_HEADERS)
    producer.flush(_WAIT_SECONDS)
    seconds = time.perf_counter() - started
    producer.close()
    return seconds


def consume_kafka_python(servers: str, topic: str, count: int) -> float:
    """Read all of it with kafka-python, without a group."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    started = time.perf_counter()
    for number, _ in enumerate(consumer, 1):
        if number == count:
            break
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def produce_confluent(servers: str, topic: str, count: int) -> float:
    """Produce with confluent-kafka, acknowledged, five milliseconds of linger."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "log_level": 0})
    producer.produce(topic, _VALUE, partition=0)
    producer.flush(_WAIT_SECONDS)
    started = time.perf_counter()
    for _ in range(count - 1):
        while True:
            with suppress(BufferError):
                producer.produce(topic, _VALUE, partition=0, headers=_HEADERS)
                break
            producer.poll(0.01)
    producer.flush(_WAIT_SECONDS)
    return time.perf_counter() - started


def consume_confluent(servers: str, topic: str, count: int) -> float:
    """Read all of it with confluent-kafka, without a group."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    started = time.perf_counter()
    received = 0
    while received < count:
        received += len(consumer.consume(min(10_000, count - received), timeout=1))
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def main() -> int:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(prog="python -m devbroker.bench", description=__doc__)
    parser.add_argument("--against", metavar="HOST:PORT", help="a broker to compare with")
    parser.add_argument("--messages", type=int, default=100_000, help="per run (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="the median counts (%(default)s)")
    options = parser.parse_args()
    started = time.perf_counter()
    broker = subprocess.Popen(
        [sys.executable, "-m", "devbroker", "--port", "0", "--retention-bytes", "-1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert broker.stdout is not None
        servers = broker.stdout.readline().split()[-1]
        print(f"{'listening after':32}{time.perf_counter() - started:10.2f} s")
        brokers = {"devbroker": servers} | ({"other": options.against} if options.against else {})
        before = _resident_bytes(broker.pid)
        stored = _compare(brokers, options.messages, options.runs)
        if before is not None:
            after = _resident_bytes(broker.pid) or 0
            print(f"{'memory per message':32}{(after - before) / stored:10.0f} bytes")
        _print_idle(broker.pid)
    finally:
        broker.terminate()
        broker.wait()
    return 0


def _compare(brokers: dict[str, str], count: int, runs: int) -> int:
    """Measure all brokers in turns; hand back how many messages each got."""
    clients: dict[str, tuple[Measure, Measure]] = {
        "kafka-python": (produce_kafka_python, consume_kafka_python)
    }
    with suppress(ImportError):
        import confluent_kafka  # noqa: F401

        clients["confluent-kafka"] = (produce_confluent, consume_confluent)
    print(f"{count} messages of {len(_VALUE)} bytes and {len(_HEADERS)} headers, thousands per second:")
    for client, (produce, consume) in clients.items():
        rates: dict[tuple[str, str], list[float]] = {}
        for _ in range(runs):
            for name, servers in brokers.items():
                topic = f"bench-{uuid.uuid4()}"
                rates.setdefault((name, "produce"), []).append(count / produce(servers, topic, count))
                rates.setdefault((name, "consume"), []).append(count / consume(servers, topic, count))
        for (name, action), measured in sorted(rates.items()):
            spread = f"({min(measured) / 1000:.0f} to {max(measured) / 1000:.0f})"
            print(f"  {f'{name} {action}, {client}':40}{statistics.median(measured) / 1000:6.0f} {spread}")
    return len(clients) * runs * count


def _resident_bytes(pid: int) -> int | None:
    """Memory of a process, on Linux."""
    with suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else None
    return None


def _print_idle(pid: int) -> None:
    with suppress(OSError):
        before = _cpu_ticks(pid)
        time.sleep(5)
        print(f"{'CPU when idle':32}{(_cpu_ticks(pid) - before) / 5:10.1f} %")  # a tick is 10 ms


def _cpu_ticks(pid: int) -> int:
    columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(columns[11]) + int(columns[12])


if __name__ == "__main__":
    sys.exit(main())
