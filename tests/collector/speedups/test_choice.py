"""Whether flowtrail-speedups is used: as told, and where it isn't there or is another version."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from flowtrail_collector.app import build_collector
from flowtrail_collector.brokers.kafka.tail.records import records_of, records_reader
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.reading import plain_reader, read_plain_event
from flowtrail_collector.run import check_collector
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, WebConfig
from flowtrail_collector.speedups import Use, speedups

NAME = "flowtrail_speedups"


THERE = {
    "missing": None,
    "another version": "INTERFACE = -1",
    "without a version": "",
    "of another Python": "from flowtrail_speedups._events import EventReader",
    "half removed": "from importlib.metadata import version\nversion('flowtrail-speedups-of-nobody')",
    "broken": "raise RuntimeError('no\\nway')",
    "not Python": "this is",
}
SAID = {
    "missing": "isn't installed",
    "another version": "was built for another version",
    "without a version": "was built for another version",
    "of another Python": "ModuleNotFoundError: No module named",
    "half removed": "PackageNotFoundError: ",
    "broken": "RuntimeError: no way",
    "not Python": "SyntaxError: ",
}


@pytest.fixture(params=list(THERE))
def there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A package that can't be used; gives what is wrong with it."""
    name: str = request.param
    for module in [each for each in sys.modules if each.startswith(f"{NAME}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, NAME, None)  # type: ignore[arg-type]
    text = THERE[name]
    if text is not None:
        del sys.modules[NAME]
        folder = tmp_path / "packages" / NAME
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(folder.parent)
    return name


@pytest.mark.parametrize("use", ["auto", "off", "required"])
def test_what_cannot_be_used_is_told_in_a_line(
    there: str, caplog: pytest.LogCaptureFixture, use: Use
) -> None:
    with caplog.at_level(logging.WARNING):
        if use == "required":
            with pytest.raises(ConfigurationError) as raised:
                speedups(use)
            told = [str(raised.value)]
            assert told[0].endswith(", or --speedups off")
        else:
            assert speedups(use) is None
            told = [record.getMessage() for record in caplog.records]
    if use == "off" or (use == "auto" and there == "missing"):
        assert told == []
    else:
        (line,) = told
        assert SAID[there] in line
        assert "pip install ./speedups" in line
        assert "\n" not in line


@pytest.mark.parametrize("use", ["auto", "off", "required"])
def test_a_check_says_what_a_start_would(there: str, tmp_path: Path, use: Use) -> None:
    config = CollectorConfig(
        KafkaConfig("localhost:1"), store=tmp_path / "s.sqlite", web=WebConfig("127.0.0.1:0"), speedups=use
    )
    found = [(problem, code) for name, problem, code in check_collector(config) if name == "speedups"]
    if use == "off" or (use == "auto" and there == "missing"):
        assert found == []
        return
    ((problem, code),) = found
    assert problem is not None
    assert SAID[there] in problem
    assert code == (2 if use == "required" else 0)
    if use == "required":
        with pytest.raises(ConfigurationError, match=re.escape(problem)):
            build_collector(config)


def test_a_collector_says_that_it_uses_it(compiled: ModuleType, tmp_path: Path) -> None:
    for use, told in (("auto", compiled.__version__), ("off", None)):
        config = CollectorConfig(KafkaConfig("localhost:1"), store=tmp_path / f"{use}.sqlite", speedups=use)
        collector = build_collector(config)
        try:
            assert collector.status().get("speedups") == told
        finally:
            collector.close()


def test_it_is_used_where_it_is_there(compiled: ModuleType) -> None:
    assert speedups("auto") is compiled
    assert speedups("required") is compiled
    assert speedups("off") is None


def test_without_it_python_reads() -> None:
    assert plain_reader(None) is read_plain_event
    assert records_reader(None) is records_of
