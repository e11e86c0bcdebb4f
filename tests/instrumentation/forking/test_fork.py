"""A trail goes on working in parent and child, whenever the process forks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from instrumentation.delivery.ground import ground_of, header
from instrumentation.forking.fork_process import MOMENTS, WITH_LETTERS
from waiting import scaled

pytestmark = pytest.mark.sampled(7)

PROGRAM = Path(__file__).with_name("fork_process.py")
CLIENTS = ("kafka-python", "confluent", "aiokafka")
IN_A_HANDLER = ("handler", "coroutine_handler")


def _makes_sense(moment: str, work: str, end: str) -> bool:
    # What a handler starts is a process of multiprocessing, which ends as it always does.
    return moment not in IN_A_HANDLER or (work != "consumer" and end == "_exit")


CASES = [
    pytest.param(*case, id=" ".join(case))
    for case in product(
        CLIENTS, ("devbroker", "kafka"), MOMENTS, ("plain", "coroutine", "consumer"), ("exit", "_exit")
    )
    if _makes_sense(*case[2:])
]


def run(*arguments: str) -> list[dict[str, Any]]:
    """What parent and child said."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(PROGRAM), *arguments],
        capture_output=True, text=True, timeout=scaled(90), check=False, env={**os.environ, "OTEL_SDK_DISABLED": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.servers
@pytest.mark.parametrize("client", CLIENTS)
def test_a_process_that_a_handler_started_ends_when_it_is_told_to(
    client: str, devbroker: str, topic: Callable[..., str]
) -> None:
    said = run(client, devbroker, topic("said"), "ended", "plain", "exit")
    assert [line["status"] for line in said if "status" in line] == [-signal.SIGTERM]


@pytest.mark.servers
@pytest.mark.parametrize(("client", "server", "moment", "work", "end"), CASES)
def test_parent_and_child_publish(
    client: str, server: str, moment: str, work: str, end: str, topic: Callable[..., str],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    name, broker = topic("said"), request.getfixturevalue(server)
    said = run(client, broker, name, moment, work, end)
    assert [line["status"] for line in said if "status" in line] == [0], said
    assert [line["done"] for line in said if "done" in line] == [True], "the child ran the parent's program"
    (seconds,) = [line["child_seconds"] for line in said if "child_seconds" in line]
    if work != "consumer":
        assert seconds < scaled(10), "at once, or with a reason"
    with ground_of(broker) as ground:
        messages = ground.read(name)
        heard = sorted(json.loads(message.value())["who"] for message in messages)
        expected = ["child", "parent", "parent again"]
        expected += ["handler"] if moment in IN_A_HANDLER else []
        expected += ["under way"] if moment == "under_way" else []
        assert heard == sorted(expected), "none lost, none twice"
        assert len({header(message, "ce_id") for message in messages}) == len(messages)
        if moment in IN_A_HANDLER:
            flows = {
                header(message, "ce_correlationid")
                for message in messages
                if json.loads(message.value())["who"] in ("handler", "child")
            }
            assert len(flows) == 1, "what the handler's process publishes belongs to the flow"
            assert ground.caught_up(name, f"{name}-orders")
    refusals = [line["refused"] for line in said if "refused" in line]
    assert all("before this process was forked" in refusal for refusal in refusals)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("client", "server", "moment"), list(product(CLIENTS, ("devbroker", "kafka"), WITH_LETTERS))
)
def test_a_dead_letter_of_the_child_takes_its_own_lane(
    client: str, server: str, moment: str, topic: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    """Threads that the parent sends dead letters from aren't there any more, nor is what they had in hand."""
    name, broker = topic("said"), request.getfixturevalue(server)
    said = run(client, broker, name, moment, "letter", "_exit")
    assert [line["status"] for line in said if "status" in line] == [0], said
    assert [line["done"] for line in said if "done" in line] == [True]
    with ground_of(broker) as ground:
        letters = [json.loads(message.value())["who"] for message in ground.read(f"{name}-letters")]
        expected = ["child", "parent"] + (["before"] if moment == "given_up" else [])
        assert sorted(letters) == sorted(expected), "none lost, none twice"
        assert ground.caught_up(name, f"{name}-orders")
