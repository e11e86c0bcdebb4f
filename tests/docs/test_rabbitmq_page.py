"""docs/rabbitmq.md: its program runs on a real RabbitMQ, with both clients, and its tables are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pika
import pytest

from flowtrail.clients._rabbitmq import Topology
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled

PAGE = ROOT / "docs" / "rabbitmq.md"
URL = "amqp://guest:guest@localhost:5672/%2F"


@pytest.mark.parametrize("client", ["pika", "aio-pika"])
def test_the_quick_start_runs(client: str, rabbitmq: str, tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of(PAGE) if block.file == "shop.py"]
    assert f"python {block.file}\n" in PAGE.read_text(encoding="utf-8")
    text = block.text.replace(URL, rabbitmq)
    assert text != block.text
    script = tmp_path / (block.file or "")
    script.write_text(text.replace('client="pika"', f'client="{client}"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=scaled(90),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ORD-1 is paid: 1250 cents" in done.stdout, done.stderr
    assert "`ORD-1 is paid: 1250 cents`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [block.file for block in blocks_of(PAGE) if block.file and block.file != "shop.py"],
)
def test_a_client_of_ones_own_is_traced(name: str, rabbitmq: str, tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of(PAGE) if block.file == name]
    script = tmp_path / name
    script.write_text(block.text.replace(URL, rabbitmq), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=scaled(90), check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "OrderPlaced of ORD-1" in done.stdout, done.stderr


def test_what_is_declared_for_keys_with_members_of_their_own_is_valid(rabbitmq: str) -> None:
    (block,) = [block for block in blocks_of(PAGE) if block.language == "python" and not block.file]
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        exec(block.text, {"channel": channel})
        channel.exchange_declare("orders.billing", passive=True)
        for number in range(3):
            channel.queue_delete(f"orders.billing.{number}")
        channel.exchange_delete("orders.billing")


def test_every_setting_is_told_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.M))
    shown = {True: "on", False: "off"}
    topology = Topology()
    for setting in fields(Topology):
        default = getattr(topology, setting.name)
        told = shown.get(default, str(default)) if isinstance(default, bool) else str(default or "none")
        if default == {}:
            told = "none"
        assert rows.pop(setting.name).strip("`") == told
    assert not rows
