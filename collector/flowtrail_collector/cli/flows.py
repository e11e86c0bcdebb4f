"""`flowtrail flows`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._files import write_new
from flowtrail_collector.cli._flow_changes import apply, diff
from flowtrail_collector.cli._options import json_option
from flowtrail_collector.cli._output import console, print_complaint, print_json, print_words
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.sagas.model.fields import CountFrom, Field
from flowtrail_collector.sagas.model.flows import Children, Correlate, Flow, Flows, Step
from flowtrail_collector.units import parse_duration
from flowtrail_collector.wording import counted, did_you_mean, format_span, printable

if TYPE_CHECKING:
    from flowtrail_collector.sagas.trial import Occasion


@click.group()
def flows() -> None:
    """Flow files."""


@flows.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> int:
    """Check a flow file, show how it is understood, and warn about likely mistakes.

    Exit code 2: it can't be used; each mistake is reported with its line and column.
    """
    from flowtrail_collector.sagas.flow_file import FlowFileError, file_doubts, load_flows

    try:
        found = load_flows(file)
    except FlowFileError as error:
        for line in error.lines:
            print_complaint(f"flowtrail: {printable(line)}")
        return error.exit_code
    warnings = list(file_doubts(found))
    if as_json:
        mapped = [{"topics": item.name, "fields": list(item.sources)} for item in found.mapping.all]
        print_json({"flows": [_flow_json(flow) for flow in found.by_name.values()], "mapping": mapped,
                    "warnings": warnings})  # fmt: skip
        return EXIT_OK
    out = console()
    for flow in found.by_name.values():
        for line in _lines(flow):
            print_words(out, line, indent=6)
    for mapping in found.mapping.all:
        print_words(out, f"{printable(mapping.name)}: maps {', '.join(mapping.sources)}", indent=6)
    for warning in warnings:
        print_complaint(f"warning: {printable(warning)}")
    print_words(out, f"{file}: {counted(len(found.by_name), 'flow')}, ok", indent=2)
    return EXIT_OK


@flows.command("try")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("events", type=click.File(encoding="utf-8"))
@json_option
def try_(file: Path, events: TextIO, as_json: bool) -> int:
    """Run a list of events through a flow file and print what happens.

    EVENTS (`-`: standard input) has one event per line: its time, its type, the id of its instance if there are
    several, and its payload if the flow reads it: `90s ParcelShipped order-1 {"parcel": "2"}`. Anything after a `#`
    is ignored.

    Exit code 2: one of the files can't be used.
    """
    from flowtrail_collector.sagas.flow_file import load_flows
    from flowtrail_collector.sagas.trial import drive

    loaded, occasions = load_flows(file), list(_occasions(events))
    _warn_of_strangers(loaded, occasions, events.name)
    found = list(drive(loaded, occasions))
    if as_json:
        print_json({"happened": [told._asdict() for told in found]})
        return EXIT_OK
    out = console()
    for told in found:
        when = format_span(told.at_ms / 1000)
        line = f"{when:>8}  {told.flow} {told.key}  {told.because or '(time)'}: {told.text}"
        print_words(out, printable(line), indent=10)
    return EXIT_OK


def _warn_of_strangers(loaded: Flows, occasions: list[Occasion], name: str) -> None:
    """Say which events move nothing: most likely they are mistyped."""
    if not occasions:
        print_complaint(f"{name}: it contains no events")
    for kind in dict.fromkeys(item.type for item in occasions if item.type not in loaded.by_type):
        hint = did_you_mean(kind, loaded.by_type)
        print_complaint(f"warning: no flow names {printable(kind)}{hint}: it has no effect")


def _occasions(events: TextIO) -> Iterator[Occasion]:
    from flowtrail_collector.sagas.trial import Occasion

    for number, line in enumerate(events, 1):
        text, payload = _parted(line, f"{events.name}:{number}")
        words = text.split()
        if not words and payload is None:
            continue
        if not 2 <= len(words) <= 3:
            raise Failure(f"{events.name}:{number}: expected a time, a type, and perhaps an id", EXIT_USAGE)
        try:
            at_ms = round(parse_duration(words[0]) * 1000)
        except ConfigurationError as error:
            raise Failure(f"{events.name}:{number}: {error}", EXIT_USAGE) from None
        yield Occasion(at_ms, words[1], words[2] if len(words) == 3 else "1", payload)


def _parted(line: str, place: str) -> tuple[str, bytes | None]:
    """The words of a line, and the JSON object behind them if there is one; without the remark."""
    text = line.partition("#")[0]
    brace = text.find("{")
    if brace < 0:
        return text, None
    try:
        _, end = json.JSONDecoder().raw_decode(line, brace)
    except (ValueError, RecursionError):
        raise Failure(f"{place}: what begins with {{ isn't a JSON object", EXIT_USAGE) from None
    if line[end:].partition("#")[0].strip():
        raise Failure(f"{place}: only a comment may follow the payload", EXIT_USAGE)
    return line[:brace], line[brace:end].encode("utf-8", "surrogatepass")


@flows.command()
@click.option("--instances", type=click.IntRange(1, 5000), default=1000, show_default=True,
              help="Maximum number of instances to examine, spread over the newest events.")  # fmt: skip
@click.option("--since", help="Only instances with an event within this time: 2h, 7d.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the draft to this file instead of printing it; an existing file is not overwritten.")  # fmt: skip
@click.option("--asyncapi", "documents", multiple=True, type=click.Path(path_type=Path),
              help="Draft from this AsyncAPI 3 document instead; can be repeated, one per service.")  # fmt: skip
@collector_options
def learn(
    client: CollectorClient, as_json: bool, instances: int, since: str | None, output: Path | None,
    documents: tuple[Path, ...],
) -> int:  # fmt: skip
    """Draft a flow file from the events a collector has seen, or from documents.

    Every line is a guess; its comment gives the evidence. Exit code 1: no flow could be found.
    2: the output can't be written. 3: the collector can't be reached.
    """
    if documents:
        found = _from_documents(documents)
    else:
        window = None if since is None else max(int(parse_duration(since)), 1)
        found = client.get("/api/v1/flows/learn", {"instances": instances, "window_seconds": window})
    if output is not None:
        write_new(output, found["yaml"])
    if as_json:
        print_json(found)
    elif output is None:
        # Through click, not the console: a flow file is not to be wrapped or coloured.
        click.echo("\n".join(printable(line) for line in found["yaml"].splitlines()))
    return EXIT_OK if found["flows"] else EXIT_FINDINGS


def _from_documents(files: Sequence[Path]) -> dict[str, Any]:
    from flowtrail_collector.documents.asyncapi.declared import declared_in
    from flowtrail_collector.documents.asyncapi.drafting import draft_text, drafted_flows

    drafted = drafted_flows([declared_in(file) for file in files])
    return {"yaml": draft_text(drafted), "flows": [{"name": flow.name} for flow in drafted]}


flows.add_command(diff)
flows.add_command(apply)


def _lines(flow: Flow) -> Iterator[str]:
    together = "" if flow.correlate is Correlate.CORRELATION else f", put together by {flow.correlate}"
    yield f"{printable(flow.name)}: starts with {_any(flow.starts)}{_within(flow.within_ms)}{together}"
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
    parts = [f"{_done(step)}{_within(step.within_ms)}"]
    if step.asks:
        who = f" of {printable(step.asked_by)}" if step.asked_by else ""
        parts.append(f"asked for by {_any(step.asks)}{who}")
    if step.by:
        parts.append(f"handled by {printable(step.by)}")
    if step.failed and step.children is None:
        parts.append(f"fails with {_any(step.failed)}")
    if step.undone:
        parts.append(f"undone by {_any(step.undone)}")
    if step.after:
        parts.append(f"after {printable(', '.join(step.after))}")
    if step.count is None and step.times != 1:
        parts.append(f"{step.times} times")
    if step.count is not None:
        parts.append(f"as often as {_any(step.count.types)} says in {_place(step.count.field)}")
    if step.of is not None and step.children is None:
        parts.append(f"told apart by {_place(step.of)}")
    if step.again_after:
        parts.append(f"again after {_any(step.again_after)}")
    if step.was:
        parts.append(f"was {printable(', '.join(step.was))}")
    if step.instead_of:
        parts.append(f"instead of {printable(step.instead_of)}")
    if step.optional:
        parts.append("optional")
    return "; ".join(parts)


def _done(step: Step) -> str:
    if step.children is None:
        return f"done by {_any(step.done)}"
    which, parent = "all its" if step.children.all else "one of its", step.children.parent
    place = _place(parent) if isinstance(parent, Field) else f"their {parent}"
    return f"done when {which} children in flow {printable(step.children.flow)} ended well, which name it in {place}"


def _place(field: Field) -> str:
    return printable(field.name.removeprefix("#") if field.counts else field.name)


def _count_json(count: CountFrom) -> dict[str, object]:
    return {"event": count.types, "field": _place(count.field)}


def _children_json(children: Children) -> dict[str, object]:
    parent = children.parent
    named = {"field": _place(parent)} if isinstance(parent, Field) else parent.value
    return {"flow": children.flow, "parent": named, "all": children.all}


def _flow_json(flow: Flow) -> dict[str, object]:
    return {
        "name": flow.name,
        "starts": flow.starts,
        "steps": [
            {
                **{name: getattr(step, name) for name in ("name", "done", "failed", "undone", "by")},
                "within_seconds": _seconds(step.within_ms),
                **{
                    name: getattr(step, name)
                    for name in ("after", "optional", "instead_of", "again_after", "was")
                },
                "times": step.times if step.count is None else _count_json(step.count),
                "of": None if step.of is None or step.children is not None else {"field": _place(step.of)},
                "asks": step.asks,
                "asked_by": step.asked_by,
                "children": None if step.children is None else _children_json(step.children),
            }
            for step in flow.steps
        ],
        "completes": flow.completes,
        "cancels": flow.cancels,
        "within_seconds": _seconds(flow.within_ms),
        "correlate": flow.correlate.value,
    }


def _seconds(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / 1000
