"""The reference is made of what the code uses."""

from __future__ import annotations

import re
from pathlib import Path

import flowtrail
from flowtrail._settings import SETTINGS
from flowtrail._telemetry import METRICS
from flowtrail.wire import CORRELATION_ALIASES, WIRE_HEADERS
from tools.docs.library import TABLES, headers_table, metrics_table, page, settings_table


def test_every_definition_is_in_its_table() -> None:
    assert all(f"`{header.name}`" in headers_table() for header in WIRE_HEADERS)
    assert all(f"`{alias}`" in headers_table() for alias in CORRELATION_ALIASES)
    assert all(f"`{metric.name}`" in metrics_table() for metric in METRICS)
    assert all(f"`{setting.name}`" in settings_table() for setting in SETTINGS)
    for table in TABLES.values():
        for part in table().split("\n\n"):
            assert len({line.count(" | ") for line in part.splitlines() if line.startswith("|")}) <= 1


def test_every_variable_that_is_read_is_declared() -> None:
    read = {
        name
        for path in Path(flowtrail.__file__).parent.rglob("*.py")
        for name in re.findall(
            r"\"((?:FLOWTRAIL|OTEL|KAFKA|RABBITMQ)_[A-Z_]+)\"", path.read_text(encoding="utf-8")
        )
    }
    internal = {"OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"}  # only turns a shortcut off
    assert read - internal == {setting.name for setting in SETTINGS}


def test_the_page_is_what_the_code_says() -> None:
    written = Path(__file__).parents[3] / "docs" / "reference.md"
    assert written.read_text(encoding="utf-8") == page(), "python -m tools.docs.library > docs/reference.md"
