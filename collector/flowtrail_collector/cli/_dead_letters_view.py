"""What `flowtrail dlq` shows of dead letters: a table, one with all that is known of it, what was done."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from flowtrail_collector.cli._output import Listing, console, print_words
from flowtrail_collector.wording import age, counted, left_out, printable

_MAX_HEADER = 500
_MAX_TRACE = 10_000


def print_dead_letters(letters: list[dict[str, Any]], limit: int) -> None:
    """Dead letters as a table."""
    out = console()
    if not letters:
        out.print("no dead letters match")
        return
    columns = ("FAILED", "GROUP", "EVENT", "SUBJECT", "ERROR", "TRIES", "STATE", "WHERE")
    table = Listing(*columns, heads=("WHERE", "SUBJECT", "STATE"), numbers=("TRIES",))
    for letter in letters:
        table.add_row(
            age(letter["failed"]),
            printable(letter["group"] or "?"),
            printable(letter["event_type"] or "?"),
            printable(letter["subject"] or ""),
            printable(_error_line(letter)[:120]),
            "" if letter["attempts"] is None else str(letter["attempts"]),
            letter["state"],
            printable(_place(letter)),
            style="red" if letter["state"] == "pending" else "dim",
        )
    table.print(out)
    if len(letters) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")


def print_causes(causes: list[dict[str, Any]], limit: int) -> None:
    """Dead letters by cause as a table, and below each cause what its messages have in common."""
    out = console()
    if not causes:
        out.print("no dead letters match")
        return
    columns = ("CAUSE", "COUNT", "GROUP", "EVENT", "ERROR", "FIRST", "LAST", "LAST HOUR", "TREND", "EXAMPLE")
    table = Listing(*columns, heads=("CAUSE", "COUNT", "GROUP"), numbers=("COUNT", "LAST HOUR"))
    for row in causes:
        table.add_row(
            row["cause"] or "",
            str(row["count"]),
            printable(row["group"] or "?"),
            printable(row["event_type"] or "?"),
            printable(row["error_type"] or "?"),
            age(row["first"]),
            age(row["last"]),
            str(row["last_hour"]),
            row["trend"],
            printable(_place(row["example"])),
            style="red" if row["trend"] == "rising" else "",
        )
    table.print(out)
    for row in causes:
        if row["message"]:
            print_words(out, f"{row['cause'] or ''}: {printable(row['message'])}", indent=2)
    if len(causes) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")


def print_dossier(data: dict[str, Any], others: list[dict[str, Any]], limit: int) -> None:
    """All that is known of one dead letter.

    Args:
        data: The API's answer.
        others: Further ones of the same event, flow or order.
        limit: How many of those are listed.
    """
    out, record = console(), data["record"]
    for name, value in _facts(data["dead_letter"]).items():
        if value is not None:
            _fact(out, name, str(value))
    if record is None:
        _fact(out, "record", data["problem"] or "")
    else:
        size = "null" if record["value_bytes"] is None else counted(record["value_bytes"], "byte")
        _fact(out, "key", str(record["key"]))
        _fact(out, "value", f"{size} (not shown)")
        out.print("headers")
        for header in record["headers"]:
            value = "null" if header["value"] is None else header["value"]
            most = _MAX_TRACE if "stack" in header["name"].lower() else _MAX_HEADER
            _print_lines(out, f"  {printable(header['name'])}: ", value[:most], 4)
    for line in data["history"]:
        print_words(out, _moved(line), indent=2)
    if others:
        more = f" and {len(others) - limit} more; --limit shows more" if len(others) > limit else ""
        print_words(out, "others: " + printable(", ".join(map(_place, others[:limit]))) + more, indent=2)


def print_audit(data: dict[str, Any], *, writes: bool) -> None:
    """Where each dead letter went, and before that who asked for what, if `writes`."""
    out = console()
    for line in data["writes"] if writes else ():
        asked = f"{line['at']}  {line['by']} from {line['from']}: {line['action']} {line['detail']}"
        print_words(out, printable(asked), indent=2)
    for line in data["moved"]:
        print_words(out, _moved(line), indent=2)


def _fact(out: Console, name: str, value: str) -> None:
    _print_lines(out, f"{name:<11}", value, 11)


def _print_lines(out: Console, head: str, text: str, indent: int) -> None:
    """Print a text line by line, as a stack trace or a message of several lines is read."""
    first, *others = text.splitlines() or [""]
    print_words(out, head + _line_of(first), indent=indent)
    for line in others:
        print_words(out, " " * indent + _line_of(line), indent=indent)


def _line_of(text: str) -> str:
    return printable(text.expandtabs(4)).rstrip()


def _facts(letter: dict[str, Any]) -> dict[str, Any]:
    came = "unknown" if letter["source_topic"] is None else letter["source_topic"]
    if letter["source_partition"] is not None:
        came += f"/{letter['source_partition']}@{letter['source_offset']}"
    return {
        "where": _place(letter),
        "state": letter["state"],
        "error": _error(letter) or "unknown",
        "group": letter["group"] or "unknown",
        "came from": came,
        "failed": letter["failed"],
        "attempts": letter["attempts"],
        "replays": letter["replays"],
        "event": f"{letter['event_type'] or 'unknown'} {letter['event_id'] or ''}",
        "order": letter["subject"],
        "flow": letter["correlation_id"],
        "headers by": letter["convention"],
        "cause": letter.get("cause"),
        "value was": left_out(letter["oversize"]) if letter.get("oversize") else None,
    }


def _error_line(letter: dict[str, Any]) -> str:
    """In one line: what an exception says may have several."""
    return " ".join(_error(letter).split())


def _error(letter: dict[str, Any]) -> str:
    return ": ".join(part for part in (letter["error_type"], letter["error_message"]) if part)


def _place(item: dict[str, Any], prefix: str = "") -> str:
    topic, partition, offset = (item[f"{prefix}{part}"] for part in ("topic", "partition", "offset"))
    return str(topic) if offset is None else f"{topic}/{partition}@{offset}"


def _moved(line: dict[str, Any]) -> str:
    to = "" if line["target_topic"] is None else f" to {_place(line, 'target_')}"
    note = f": {line['note']}" if line["note"] else ""
    return printable(f"{line['at']}  {_place(line)} {line['action']}{to} by {line['by']}{note}")
