"""The tutorial, followed to the letter: its programs run, its trail is there, its changes are few."""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.shop import answers, get_json
from servers import ManagedProcess, free_port
from servers._process import wait_for
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled

BLOCKS = [block for block in blocks_of(ROOT / "docs" / "tutorial.md") if block.file]
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
    for name, versions in VERSIONS.items():
        (tmp_path / name).write_text(versions[-1].replace("localhost:9092", devbroker), encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    run = [sys.executable, "-m", "flowtrail_collector", "collector", "run"]
    collector = ManagedProcess(
        "collector",
        [*run, "--bootstrap-servers", devbroker, "--flows", "flows.yaml", "--listen", f"127.0.0.1:{port}"],
        ready=lambda: answers(f"{url}/readyz"),
        output=tmp_path / "collector.log",
        cwd=tmp_path,
    )
    env = {"FLOWTRAIL_OTLP_ENDPOINTS": url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    billing = ManagedProcess(
        "billing",
        [sys.executable, "billing.py"],
        ready=lambda: True,
        output=tmp_path / "billing.log",
        cwd=tmp_path,
        env=env,
    )
    try:
        collector.start()
        subprocess.run(
            [sys.executable, "shop.py"],
            cwd=tmp_path,
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
            [sys.executable, "-m", "flowtrail_collector", "trace", "ORD-1", "--url", url],
            capture_output=True, text=True, check=True, timeout=scaled(60),
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
