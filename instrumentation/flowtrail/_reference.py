"""The reference tables of the docs, made of the definitions that the code itself uses.

python -m flowtrail._reference headers|metrics|settings
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from flowtrail._headers import CORRELATION_ALIASES, WIRE_HEADERS
from flowtrail._telemetry import METRICS
from flowtrail._telemetry.settings import SETTINGS


def headers_table() -> str:
    """Headers on the wire, as Markdown."""
    rows = [(f"`{header.name}`", str(header.max_bytes), header.meaning) for header in WIRE_HEADERS]
    aliases = ", ".join(f"`{alias}`" for alias in CORRELATION_ALIASES)
    table = _table(("header", "longest value, bytes", "meaning"), rows)
    return (
        f"{table}\nRead as a correlation id where `ce_correlationid` is missing, in this order: {aliases}.\n"
    )


def metrics_table() -> str:
    """Metrics, as Markdown."""
    rows = []
    for metric in METRICS:
        prometheus = metric.prometheus_name + ("_total" if metric.kind == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in metric.prometheus_labels)
        rows.append((f"`{prometheus}`", f"`{metric.name}`", metric.kind, metric.unit, labels, metric.help))
    return _table(("Prometheus", "OpenTelemetry", "type", "unit", "labels", "meaning"), rows)


def settings_table() -> str:
    """Environment variables of telemetry, as Markdown."""
    rows = [(f"`{setting.name}`", setting.default, setting.meaning) for setting in SETTINGS]
    return _table(("variable", "default", "meaning"), rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {"headers": headers_table, "metrics": metrics_table, "settings": settings_table}


if __name__ == "__main__":
    sys.stdout.write("\n".join(TABLES[name]() for name in sys.argv[1:] or TABLES))
