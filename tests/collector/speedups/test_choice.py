"""Whether flowtrail-speedups is used: as told, and where it isn't there or is another version."""

from __future__ import annotations

import logging
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


def _module(**attributes: object) -> ModuleType:
    made = ModuleType(NAME)
    made.__dict__.update(attributes)
    return made


THERE = {
    "missing": None,
    "another version": _module(INTERFACE=-1),
    "without a version": _module(),
}


@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("use", ["auto", "off", "required"])
def test_what_cannot_be_used_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, there: str, use: Use
) -> None:
    monkeypatch.setitem(sys.modules, NAME, THERE[there])
    with caplog.at_level(logging.WARNING):
        if use == "required":
            with pytest.raises(ConfigurationError, match=r"--speedups required: .*pip install \./speedups"):
                speedups(use)
            return
        assert speedups(use) is None
    told = [record.getMessage() for record in caplog.records]
    if use == "off" or there == "missing":
        assert told == []
    else:
        assert len(told) == 1
        assert "another version" in told[0]


@pytest.mark.parametrize("there", THERE)
def test_a_check_says_what_a_start_would(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str) -> None:
    monkeypatch.setitem(sys.modules, NAME, THERE[there])
    config = CollectorConfig(
        KafkaConfig("localhost:1"),
        store=tmp_path / "s.sqlite",
        web=WebConfig("127.0.0.1:0"),
        speedups="required",
    )
    ((_, problem, code),) = [found for found in check_collector(config) if found[0] == "speedups"]
    assert code == 2
    assert problem is not None
    with pytest.raises(ConfigurationError) as raised:
        build_collector(config)
    assert str(raised.value) == problem


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
