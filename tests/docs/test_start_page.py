"""The three paths of five minutes, followed to the letter: what they start runs, what they ask is answered."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import flowtrail
from devbroker import DevBroker
from servers import ManagedProcess, answers, free_port
from tools.docs.blocks import ROOT, blocks_of
from waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.slow(15)]

PAGE = ROOT / "docs" / "start.md"
COMMANDS = [
    shlex.split(line, comments=True)
    for block in blocks_of(PAGE)
    if block.language == "sh"
    for line in block.text.splitlines()
]
FLOWS = """
flows:
  payment:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing, within: 1s}
    completes: PaymentCompleted
"""
(PROGRAM,) = [block for block in blocks_of(PAGE) if block.file]


class Desk:
    """A broker, a collector and a terminal in a folder of its own."""

    def __init__(self, broker: str, folder: Path, *options: str) -> None:
        port = free_port()
        self.broker, self.folder, self._url = broker, folder, f"http://127.0.0.1:{port}"
        self._environment = {"FLOWTRAIL_COLLECTOR_URL": self._url, "FLOWTRAIL_OTLP_ENDPOINTS": self._url}
        run = [*self._words("flowtrail", "collector", "run"), "--listen", f"127.0.0.1:{port}", *options]
        self._processes = [self._process("collector", run, "/readyz")]
        self._processes[0].start()

    def _words(self, *beginning: str) -> list[str]:
        """The page's command that begins so, for this broker, without what is the shell's."""
        command = next(words for words in COMMANDS if tuple(words[: len(beginning)]) == beginning)
        words = [word.replace("localhost:9092", self.broker) for word in command if word != "&"]
        program = ["-m", "flowtrail_collector"] if words[0] == "flowtrail" else []
        return [sys.executable, *program, *words[1:]]

    def _process(self, name: str, command: list[str], path: str = "") -> ManagedProcess:
        return ManagedProcess(
            name, command, ready=lambda: not path or answers(self._url + path),
            output=self.folder / f"{name}.log", cwd=self.folder, env=self._environment,
        )  # fmt: skip

    def start(self, *beginning: str) -> None:
        process = self._process(beginning[-1], self._words(*beginning))
        self._processes.append(process)
        process.start()

    def says(self, *beginning: str, code: int = 0) -> str:
        """What the page's command prints, which has to end with this code."""
        done = subprocess.run(
            self._words(*beginning), cwd=self.folder, env={**os.environ, **self._environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def knows(self, what: str, *beginning: str, code: int = 0) -> bool:
        """Whether what the page's command prints has this in it; not yet, if it fails."""
        try:
            return what in self.says(*beginning, code=code)
        except AssertionError:
            return False

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()


@pytest.fixture
def broker() -> Iterator[str]:
    """The tests' own: the page's topics are those of other pages."""
    with DevBroker() as broker:
        yield broker.bootstrap_servers


def test_a_developer_sees_both_orders_end_to_end(broker: str, tmp_path: Path) -> None:
    with closing(Desk(broker, tmp_path)) as desk:
        _run_the_program(desk)
        until(lambda: desk.knows("■ OrderPlaced", "flowtrail", "trace", "ORD-1"), "the handling of ORD-1")
        until(lambda: desk.knows("dead letter", "flowtrail", "trace", "ORD-2"), "the dead letter of ORD-2")
        assert "PaymentCompleted" in desk.says("flowtrail", "trace", "ORD-1")
        until(lambda: desk.knows("(attempt 2)", "flowtrail", "trace", "ORD-2"), "the second attempt")
        assert "the card was declined" in desk.says("flowtrail", "dlq", "show")


def test_an_operator_drafts_a_flow_of_what_is_there(broker: str, tmp_path: Path) -> None:
    with closing(Desk(broker, tmp_path)) as desk:
        _orders(broker)
        assert desk.says("flowtrail", "doctor").count("ok ") >= 3
        until(lambda: desk.knows("billing", "flowtrail", "lag"), "billing's lag")
        until(lambda: _learned(desk), "a draft of the flow")
        draft = (tmp_path / "flows.yaml").read_text(encoding="utf-8")
        assert "starts: OrderPlaced" in draft
        assert "done: PaymentCompleted" in draft
        assert "payment" in desk.says("flowtrail", "flows", "check").lower()


def test_on_call_finds_what_went_wrong(broker: str, tmp_path: Path) -> None:
    flows = tmp_path / "shop.yaml"
    flows.write_text(FLOWS, encoding="utf-8")
    with closing(Desk(broker, tmp_path, "--flows", str(flows))) as desk:
        _run_the_program(desk)
        until(lambda: desk.knows("ValueError", "flowtrail", "dlq", "causes"), "the dead letter's cause")
        until(lambda: desk.knows("charge", "flowtrail", "stuck", code=1), "why ORD-2 is stuck")
        said = desk.says("flowtrail", "oncall", code=1)
        assert "billing dead-lettered 1 message of type OrderPlaced" in said
        assert "flowtrail dlq list --cause" in said
        until(lambda: desk.knows("billing", "flowtrail", "lag"), "billing's lag")
        assert "1" in desk.says("flowtrail", "dlq", "redrive")


def _run_the_program(desk: Desk) -> None:
    text = PROGRAM.text.replace('"billing")', f'"billing", bootstrap_servers="{desk.broker}")', 1)
    (desk.folder / "billing.py").write_text(text, encoding="utf-8")
    desk.start("python", "billing.py")


def _learned(desk: Desk) -> bool:
    draft = desk.folder / "flows.yaml"
    draft.unlink(missing_ok=True)
    desk.says("flowtrail", "flows", "learn")
    return "starts:" in draft.read_text(encoding="utf-8")


def _orders(broker: str) -> None:
    """Five orders that are paid for by a group of the name billing."""
    paid: list[str] = []
    trail = flowtrail.Trail(service="billing", bootstrap_servers=broker)

    @trail.consumer("orders", types=["OrderPlaced"], group="billing")
    def charge(event: flowtrail.Event[object]) -> None:
        trail.publish("payments", {}, type="PaymentCompleted", subject=event.subject)
        paid.append(str(event.subject))

    for number in range(5):
        trail.publish("orders", {}, type="OrderPlaced", subject=f"ORD-{number}")
    with trail.running():
        until(lambda: len(paid) >= 5, "five payments")
        trail.ready(30)
