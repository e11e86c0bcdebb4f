"""The page about lag: its settings file and its variables are read, and mean the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import certifi

from flowtrail_collector.brokers.kafka.connection import read_connection
from tools.docs.blocks import ROOT, blocks_of

PAGE = ROOT / "docs" / "lag.md"


def test_the_file_and_the_variables_are_read_and_mean_the_same(tmp_path: Path) -> None:
    (file_,) = [block.text for block in blocks_of(PAGE) if block.language == "properties"]
    (exports,) = [block.text for block in blocks_of(PAGE) if block.language == "sh"]
    (tmp_path / "ca.pem").write_text(certifi.contents(), encoding="utf-8")
    (tmp_path / "kafka").write_text("s3cret\n", encoding="utf-8")

    def here(text: str) -> str:
        return re.sub(r"/(?:etc/kafka|run/secrets)/", f"{tmp_path}/", text)

    properties = tmp_path / "client.properties"
    properties.write_text(here(file_), encoding="utf-8")
    variables = dict(
        word.split("=", 1) for line in here(exports).splitlines() for word in shlex.split(line)[1:]
    )
    from_file = read_connection("localhost:9093", properties_file=properties, environ={})
    from_variables = read_connection("localhost:9093", environ=variables)
    assert from_file.client_settings() == from_variables.client_settings()
    assert from_file.client_settings()["sasl.password"] == "s3cret"
