"""Whether flowtrail-speedups is used: as told, and where it isn't there or is another version."""

from __future__ import annotations

import logging
import sys
from types import ModuleType

import pytest

from flowtrail_collector.brokers.kafka.tail.records import records_of, records_reader
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.reading import plain_reader, read_plain_event
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


def test_it_is_used_where_it_is_there(compiled: ModuleType) -> None:
    assert speedups("auto") is compiled
    assert speedups("required") is compiled
    assert speedups("off") is None


def test_without_it_python_reads() -> None:
    assert plain_reader(None) is read_plain_event
    assert records_reader(None) is records_of
