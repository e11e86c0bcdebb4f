"""A program ends right after it has published without waiting: what it published arrives, or it says so."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from instrumentation.delivery.ground import ground_of
from waiting import scaled

pytestmark = pytest.mark.slow

CLIENTS = ("kafka-python", "confluent", "aiokafka")
COUNT = 20

START = """
import asyncio, os, sys, threading
import flowtrail
servers, client, topic, seconds = sys.argv[1:]
timing = flowtrail.Timing(shutdown_timeout_seconds=float(seconds))
trail = flowtrail.Trail("billing", servers, client=client, timing=timing)
"""
WAYS = {
    "without waiting": "for number in range(20): trail.publish(topic, number, type='Paid', wait=False)",
    "not awaited": """
async def main():
    for number in range(20): trail.publish(topic, number, type='Paid')
asyncio.run(main())
""",
    "by a decorated function": """
@trail.producer(topic, type='Paid', wait=False)
def paid(number): return number
for number in range(20): paid(number)
""",
    "from a thread": """
def work():
    for number in range(20): trail.publish(topic, number, type='Paid', wait=False)
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    "in a fork": """
import multiprocessing
def work():
    for number in range(20): trail.publish(topic, number, type='Paid', wait=False)
process = multiprocessing.get_context('fork').Process(target=work)
process.start()
process.join()
""",
}
ENDS = {"": 0, "sys.exit(3)": 3, "raise ValueError": 1}


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", START + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(100), check=False)


def _arrived(broker: str, topic: str) -> list[int]:
    with ground_of(broker) as ground:
        return sorted(int(message.value()) for message in ground.read(topic))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", WAYS)
def test_everything_arrives(client: str, way: str, devbroker: str, topic: Callable[..., str]) -> None:
    name = topic("payments")
    done = _run(WAYS[way], devbroker, client, name, str(scaled(60)))
    assert (done.returncode, done.stderr) == (0, "")
    assert _arrived(devbroker, name) == list(range(COUNT))


@pytest.mark.parametrize("end", ENDS)
def test_however_it_ends(end: str, devbroker: str, topic: Callable[..., str]) -> None:
    name = topic("payments")
    done = _run(f"{WAYS['without waiting']}\n{end}", devbroker, "kafka-python", name, str(scaled(60)))
    assert done.returncode == ENDS[end]
    assert _arrived(devbroker, name) == list(range(COUNT))


@pytest.fixture
def silence() -> Iterator[str]:
    """Address of a server that lets everybody connect and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broker_that_does_not_answer_is_not_waited_for_without_end(client: str, silence: str) -> None:
    done = _run(WAYS["not awaited"], silence, client, "payments", "0.5")
    assert done.returncode == 0
    assert "the program is exiting, and not everything it published has been acknowledged" in done.stderr
