"""The tutorial, followed to the letter: its programs run, its trail is there, its changes are few."""

from __future__ import annotations

import difflib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.shop import get_json
from servers import ManagedProcess, answers, free_port
from servers._process import wait_for
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled

PAGE = ROOT / "docs" / "tutorial.md"
BLOCKS = [block for block in blocks_of(PAGE) if block.file]
VERSIONS = {
    name: [b.text for b in BLOCKS if b.file == name] for name in ("shop.py", "billing.py", "flows.yaml")
}


def test_the_pair_is_instrumented_in_under_20_changed_lines() -> None:
    changed = 0
    for name in ("shop.py", "billing.py"):
        before, after = (text.splitlines() for text in VERSIONS[name])
        # Lines that were only indented haven't changed.
        diff = difflib.ndiff([line.strip() for line in before], [line.strip() for line in after])
        changed += sum(line.startswith("+ ") for line in diff)
    assert 0 < changed < 20


@pytest.mark.servers
def test_the_tutorial_ends_with_a_trail(devbroker: str, tmp_path: Path) -> None:
    follow(sys.executable, devbroker, tmp_path)


@pytest.mark.servers
@pytest.mark.slow(45)
def test_what_the_tutorial_installs_is_all_that_it_needs(tmp_path: Path) -> None:
    """Its own lines, in an environment that has nothing else."""
    lines = [line for block in blocks_of(PAGE) if block.language == "sh" for line in block.text.splitlines()]
    steps = [line for line in lines if line.split()[0] in ("python3", ".", "pip")]
    assert [step.split()[0] for step in steps] == ["python3", ".", "pip", "pip"]
    environment = tmp_path / "environment"
    script = "\n".join(["set -e", *steps]).replace("build/tutorial", str(environment))
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env={**plain, "PIP_QUIET": "2"}, capture_output=True, text=True,
        check=False, timeout=scaled(170),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    (start,) = [line for line in lines if "devbroker" in line and "pip" not in line]
    python, port = str(environment / "bin" / "python"), free_port()
    command = [python, *shlex.split(start.removesuffix("&"))[1:], "--port", str(port)]
    broker = ManagedProcess(
        "devbroker",
        command,
        ready=lambda: "listening" in broker.last_output(),
        output=tmp_path / "broker.log",
        cwd=tmp_path,
    )
    try:
        broker.start()
        follow(python, f"127.0.0.1:{port}", tmp_path)
    finally:
        broker.kill()


def follow(python: str, broker: str, folder: Path) -> None:
    """Run the tutorial's programs, and look for what it promises."""
    for name, versions in VERSIONS.items():
        (folder / name).write_text(versions[-1].replace("localhost:9092", broker), encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    run = [python, "-m", "flowtrail_collector", "collector", "run"]
    collector = ManagedProcess(
        "collector",
        [*run, "--bootstrap-servers", broker, "--flows", "flows.yaml", "--listen", f"127.0.0.1:{port}"],
        ready=lambda: answers(f"{url}/readyz"),
        output=folder / "collector.log",
        cwd=folder,
    )
    env = {"FLOWTRAIL_OTLP_ENDPOINTS": url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    billing = ManagedProcess(
        "billing",
        [python, "billing.py"],
        ready=lambda: True,
        output=folder / "billing.log",
        cwd=folder,
        env=env,
    )
    try:
        collector.start()
        subprocess.run(
            [python, "shop.py"],
            cwd=folder,
            env={**os.environ, **env},
            check=True,
            timeout=scaled(60),
        )
        billing.start()
        assert wait_for(lambda: _is_whole(url), 60), (
            get_json(f"{url}/api/v1/trails/ORD-1"),
            billing.last_output(),
        )
        shown = subprocess.run(
            [python, "-m", "flowtrail_collector", "trace", "ORD-1", "--url", url],
            cwd=folder, capture_output=True, text=True, check=True, timeout=scaled(60),
        )  # fmt: skip
        assert "PaymentCompleted" in shown.stdout
        assert "completed" in shown.stdout
    finally:
        billing.kill()
        collector.kill()


def _is_whole(url: str) -> bool:
    found = get_json(f"{url}/api/v1/trails/ORD-1")
    if found is None:
        return False
    trail = found["trail"]
    return (
        set(trail["services"]) == {"shop", "billing"}
        and len(trail["correlation_ids"]) == 1
        and [saga["outcome"] for saga in trail["sagas"]] == ["completed"]
        and "process" in json.dumps(trail)
    )
