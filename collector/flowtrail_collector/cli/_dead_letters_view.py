"""What `flowtrail dlq` shows of dead letters: a table, one with all that is known of it, what was done."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.cli._output import console, plain_table
from flowtrail_collector.wording import age, left_out, printable


def print_dead_letters(letters: list[dict[str, Any]], limit: int) -> None:
    """Dead letters as a table."""
    out = console()
    if not letters:
        out.print("no dead letters match")
        return
    table = plain_table(
        "FAILED", "GROUP", "EVENT", "SUBJECT", "ERROR", "TRIES", "STATE", "WHERE", numbers=("TRIES",)
    )
    for letter in letters:
        table.add_row(
            age(letter["failed"]),
            printable(letter["group"] or "?"),
            printable(letter["event_type"] or "?"),
            printable(letter["subject"] or ""),
            printable(_error(letter)[:120]),
            "" if letter["attempts"] is None else str(letter["attempts"]),
            letter["state"],
            printable(_place(letter)),
            style="red" if letter["state"] == "pending" else "dim",
        )
    out.print(table)
    if len(letters) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")


def print_dossier(data: dict[str, Any], others: list[str]) -> None:
    """All that is known of one dead letter.

    Args:
        data: The API's answer.
        others: Where further ones of the same event, flow or order are.
    """
    out, record = console(), data["record"]
    for name, value in _facts(data["dead_letter"]).items():
        if value is not None:
            out.print(f"{name:<11}{printable(str(value))}")
    if record is None:
        out.print(f"{'record':<11}{printable(data['problem'] or '')}")
    else:
        size = "null" if record["value_bytes"] is None else f"{record['value_bytes']} bytes"
        out.print(f"{'key':<11}{printable(str(record['key']))}\n{'value':<11}{size} (not shown)\nheaders")
        for header in record["headers"]:
            value = "null" if header["value"] is None else header["value"]
            out.print(f"  {printable(header['name'])}: {printable(value[:500])}")
    for line in data["history"]:
        out.print(_moved(line))
    if others:
        out.print("others: " + printable(", ".join(others)))


def print_audit(data: dict[str, Any], *, writes: bool) -> None:
    """Where each dead letter went, and before that who asked for what, if `writes`."""
    out = console()
    for line in data["writes"] if writes else ():
        asked = f"{line['at']}  {line['by']} from {line['from']}: {line['action']} {line['detail']}"
        out.print(printable(asked))
    for line in data["moved"]:
        out.print(_moved(line))


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
        "value was": left_out(letter["oversize"]) if letter.get("oversize") else None,
    }


def _error(letter: dict[str, Any]) -> str:
    return ": ".join(part for part in (letter["error_type"], letter["error_message"]) if part)


def _place(item: dict[str, Any], prefix: str = "") -> str:
    return f"{item[f'{prefix}topic']}/{item[f'{prefix}partition']}@{item[f'{prefix}offset']}"


def _moved(line: dict[str, Any]) -> str:
    to = "" if line["target_topic"] is None else f" to {_place(line, 'target_')}"
    note = f": {line['note']}" if line["note"] else ""
    return printable(f"{line['at']}  {_place(line)} {line['action']}{to} by {line['by']}{note}")
