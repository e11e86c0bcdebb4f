"""The reference page of the library, made of the definitions that the code itself uses.

python -m tools.docs.library > docs/reference.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from flowtrail._settings import SETTINGS
from flowtrail._telemetry import METRICS, attributes
from flowtrail.wire import CORRELATION_ALIASES, WIRE_HEADERS, dead_letters, retry_topics


def headers_table() -> str:
    """Headers on the wire, as Markdown."""
    rows = [(f"`{header.name}`", str(header.max_bytes), header.meaning) for header in WIRE_HEADERS]
    aliases = ", ".join(f"`{alias}`" for alias in CORRELATION_ALIASES)
    table = _table(("header", "longest value, bytes", "meaning"), rows)
    return (
        f"{table}\nRead as a correlation id where `ce_correlationid` is missing, in this order: {aliases}.\n"
        f"\nA dead letter has these as well:\n\n{_table(('header', 'meaning'), _coded(DEAD_LETTER_HEADERS))}"
        f"\nA record in a retry topic has these as well, until it is handled or given up:\n\n"
        f"{_table(('header', 'meaning'), _coded(RETRY_HEADERS))}"
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


def spans_table() -> str:
    """Spans, as Markdown."""
    return _table(("span", "kind", "from, to"), SPANS)


def attributes_table() -> str:
    """Span attributes, as Markdown."""
    names = sorted(
        value
        for name, value in vars(attributes).items()
        if name.isupper() and isinstance(value, str) and "." in value
    )
    return _table(("attribute",), [(f"`{name}`",) for name in names])


SPANS = (
    ("`send TOPIC`", "PRODUCER", "the call, to the broker's acknowledgement"),
    (
        "`process TOPIC`",
        "CONSUMER",
        "around the handler of one message, or of a batch, with a link per message",
    ),
    ("`poll TOPIC`", "CLIENT", "one poll that brought messages"),
    ("`commit TOPIC`", "CLIENT", "one commit of offsets"),
)


DEAD_LETTER_HEADERS = {
    dead_letters.TOPIC: "topic where the record was consumed",
    dead_letters.PARTITION: "its partition there",
    dead_letters.OFFSET: "its offset there",
    dead_letters.TIMESTAMP: "its own timestamp, milliseconds since the epoch",
    dead_letters.GROUP: "consumer group that gave it up",
    dead_letters.ATTEMPTS: "how often the handler ran",
    dead_letters.ERROR_TYPE: "class of the last error",
    dead_letters.ERROR_MESSAGE: f"its message, at most {dead_letters.MAX_MESSAGE_CHARACTERS} characters",
    dead_letters.ERROR_STACKTRACE: f"its stack trace, the last {dead_letters.MAX_STACKTRACE_CHARACTERS} characters",
    dead_letters.FAILED_AT: "when it was given up, RFC 3339",
    dead_letters.OVERSIZE: "what is there in place of a value that was too large",
    dead_letters.LEFT_OUT: "names of its own headers that had no room",
    dead_letters.REPLAYS: "how often it has been sent back to its topic before",
}
RETRY_HEADERS = {
    retry_topics.TOPIC: "topic where the record was consumed first",
    retry_topics.PARTITION: "its partition there",
    retry_topics.OFFSET: "its offset there",
    retry_topics.TIMESTAMP: "its own timestamp, milliseconds since the epoch",
    retry_topics.ATTEMPTS: "how often the handler ran",
    retry_topics.DUE: "when the next attempt is due, milliseconds since the epoch",
}


def _coded(meanings: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", meaning) for name, meaning in meanings.items()]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {
    "Headers": headers_table,
    "Spans": spans_table,
    "Span attributes": attributes_table,
    "Metrics": metrics_table,
    "Environment": settings_table,
}
_INTRODUCTION = """# Reference of the library

Made by `python -m tools.docs.library` of what the code itself uses. Names are OpenTelemetry's and CloudEvents' \
where those have one.
"""


def page() -> str:
    """The whole page, as Markdown."""
    sections = (f"## {title}\n\n{table()}" for title, table in TABLES.items())
    return "\n".join([_INTRODUCTION, *sections])


if __name__ == "__main__":
    sys.stdout.write(page())
