"""What belongs together stays on a line, what has lines keeps them, and rows that differ look different."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click
import pytest

from flowtrail_collector.cli._dead_letters_view import print_dossier
from flowtrail_collector.cli._output import wrapped
from flowtrail_collector.cli._top_figures import Figures
from flowtrail_collector.cli._top_screen import screen
from screenkit import ANSWERS
from tools.docs.collector._commands import commands

FIGURES = ["(84 s)", "(1,234.5 ms)", "5m 44s ago", "2h 05m", "3d 04h ago"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_never_parted_from_its_unit(figure):
    text = f"charge waits for billing, which is 12 messages {figure} behind, and so on"
    for width in range(len(figure), len(text) + 1):
        lines = [line.plain for line in wrapped(text, width)]
        assert any(figure in line for line in lines), (width, lines)
        assert " ".join(lines) == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stack_trace_keeps_its_lines(capsys, monkeypatch, end):
    monkeypatch.setenv("COLUMNS", "80")
    trace = [
        "Traceback (most recent call last):",
        '  File "billing.py", line 3, in charge',
        "\tat com.shop.Billing.charge",
        "ValueError: no card",
    ]
    answer = next(value for path, value in ANSWERS.items() if isinstance(value, dict) and "record" in value)
    letter = {**answer["dead_letter"], "error_message": f"no card{end}\ton file"}
    record = {
        **answer["record"],
        "headers": [{"name": "dlq.error.stacktrace", "value": end.join(trace * 20)}],
    }
    print_dossier({**answer, "dead_letter": letter, "record": record}, [], 5)
    shown = capsys.readouterr().out
    assert "\N{REPLACEMENT CHARACTER}" not in shown
    for line in trace:
        assert len(re.findall(rf"{re.escape(line.strip())}$", shown, re.M)) == 20
    assert re.search(r"no card$\n\s+on file$", shown, re.M)


@pytest.mark.parametrize("width", [60, 80, 200, None])
def test_dead_letters_of_one_class_are_told_apart(width):
    messages = ["no card on file for *", "the card * has expired", "x" * 500]
    causes = [
        {"cause": str(n), "count": n, "last_hour": 1, "trend": "steady", "last": "2026-11-29T10:00:00Z",
         "event_type": "OrderPlaced", "group": "billing", "error_type": "DecodeError", "message": message}
        for n, message in enumerate(messages)
    ]  # fmt: skip
    figures = Figures("url", datetime.now(UTC), {"version": "1", "parts": {}}, [], [], [], 0, causes)
    lines = [line.plain for line in screen(figures, "", width, None)]
    for message in messages[:2]:
        assert any(f"DecodeError: {message}" in line for line in lines), lines
    assert all(len(line) <= (width or 10_000) for line in lines)


def test_shells_complete_files_wherever_one_is_taken():
    found = []
    for context, command in commands():
        for each in command.params:
            takes = re.search(r"FOLDER|DIR|FILE|OLD", each.metavar or "") or any(
                re.search(r"-file$|^--(store|contracts|output|html|flows|tls-cert|tls-key)$", opt)
                for opt in each.opts
            )
            if takes:
                found.append((context.command_path, each.name))
                assert isinstance(each.type, click.Path | click.File), found[-1]
    assert len(found) >= 20
