"""`flowtrail flows`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from flowtrail_collector.cli._errors import EXIT_OK
from flowtrail_collector.cli._output import console, print_json, printable
from flowtrail_collector.domain.flows import Flow, Step
from flowtrail_collector.wording import format_span


@click.group()
def flows() -> None:
    """Flow files."""


@flows.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(file: Path, as_json: bool) -> int:
    """Check a flow file and show how it is understood.

    Exit code 2: it can't be used; the message names line and column.
    """
    from flowtrail_collector.flowfile import load_flows

    found = load_flows(file)
    if as_json:
        mapped = [{"topics": item.name, "fields": list(item.sources)} for item in found.mapping.all]
        print_json({"flows": [_flow_json(flow) for flow in found.by_name.values()], "mapping": mapped})
        return EXIT_OK
    out = console()
    for flow in found.by_name.values():
        for line in _lines(flow):
            out.print(line, soft_wrap=True)
    for mapping in found.mapping.all:
        out.print(f"{printable(mapping.name)}: maps {', '.join(mapping.sources)}", soft_wrap=True)
    number = len(found.by_name)
    out.print(f"{file}: {number} {'flow' if number == 1 else 'flows'}, ok")
    return EXIT_OK


def _lines(flow: Flow) -> Iterator[str]:
    yield f"{printable(flow.name)}: starts with {_any(flow.starts)}{_within(flow.within_ms)}"
    for step in flow.steps:
        yield f"  {printable(step.name)}: {_step(step)}"
    yield f"  completes with {_any(flow.completes)}"
    if flow.cancels:
        yield f"  cancelled by {_any(flow.cancels)}"


def _any(types: tuple[str, ...]) -> str:
    return printable(" or ".join(types)) or "nothing"


def _within(span_ms: int | None) -> str:
    return f", within {format_span(span_ms / 1000)}" if span_ms is not None else ""


def _step(step: Step) -> str:
    parts = [f"done by {_any(step.done)}{_within(step.within_ms)}"]
    if step.by:
        parts.append(f"handled by {printable(step.by)}")
    if step.failed:
        parts.append(f"fails with {_any(step.failed)}")
    if step.undone:
        parts.append(f"undone by {_any(step.undone)}")
    if step.after:
        parts.append(f"after {printable(', '.join(step.after))}")
    if step.times > 1:
        parts.append(f"{step.times} times")
    if step.instead_of:
        parts.append(f"instead of {printable(step.instead_of)}")
    if step.optional:
        parts.append("optional")
    return "; ".join(parts)


def _flow_json(flow: Flow) -> dict[str, object]:
    return {
        "name": flow.name,
        "starts": flow.starts,
        "steps": [
            {
                "name": step.name,
                "done": step.done,
                "failed": step.failed,
                "undone": step.undone,
                "by": step.by,
                "within_seconds": None if step.within_ms is None else step.within_ms / 1000,
                "after": step.after,
                "optional": step.optional,
                "times": step.times,
                "instead_of": step.instead_of,
            }
            for step in flow.steps
        ],
        "completes": flow.completes,
        "cancels": flow.cancels,
        "within_seconds": None if flow.within_ms is None else flow.within_ms / 1000,
        "correlate": flow.correlate.value,
    }
