"""`flowtrail contracts check`: what changed between two states of the contracts."""

import json
from pathlib import Path

import pytest

from contractkit import ORDER_1, ORDER_2, write_json
from flowtrail_collector.cli import main

PLAIN = {"type": "object", "properties": {"a": {"type": "string"}}}
MORE = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}


@pytest.mark.parametrize("form", ["text", "json", "files"])
def test_the_command_names_field_rule_and_versions(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write_json(tmp_path / "old", OrderPlaced=[ORDER_1])
    new = write_json(tmp_path / "new", OrderPlaced=[ORDER_1, ORDER_2])
    places = [old, new]
    if form == "files":
        places = [new / "OrderPlaced" / "1.json", new / "OrderPlaced" / "2.json"]
    options = ["--json"] if form == "json" else []
    changed = write_json(tmp_path / "changed", OrderPlaced=[MORE])
    if form != "files":
        assert main(["contracts", "check", str(old), str(new), *options]) == 0, "a new version may differ"
        capsys.readouterr()
        places = [old, changed]
    assert main(["contracts", "check", *map(str, places), *options]) == 1
    out = capsys.readouterr().out
    if form == "json":
        answer = json.loads(out)
        assert answer["compatible"] is False
        broken = {
            (found["type"], found["old_version"], found["new_version"], found["field"], found["rule"])
            for found in answer["findings"]
        }
        assert ("OrderPlaced", 1, 1, "order_id", "required-field-removed") in broken
    elif form == "text":
        assert "breaks: OrderPlaced 1 -> 1: order_id: required-field-removed" in out
    else:
        assert "breaks: OrderPlaced 1 -> 2: total: required-field-removed" in out


def test_the_commands_other_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(write_json(tmp_path / "good", A=[PLAIN]))
    bad = str(write_json(tmp_path / "bad", A=[{"type": "objekt"}]))
    assert main(["contracts", "check", good, good]) == 0
    assert capsys.readouterr().out == "compatible\n"
    assert main(["contracts", "check", good, bad]) == 2
    assert "no JSON Schema" in capsys.readouterr().err
    assert main(["contracts", "check", good, "http://127.0.0.1:1"]) == 3
    assert "http://127.0.0.1:1" in capsys.readouterr().err
