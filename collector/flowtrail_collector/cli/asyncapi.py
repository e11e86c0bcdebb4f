"""`flowtrail asyncapi`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._files import write_new
from flowtrail_collector.cli._landscape import (
    contract_options,
    known_contracts,
    landscape_of,
    shown_url,
    tell_missing,
    with_contracts,
)
from flowtrail_collector.cli._output import console, print_complaint, print_json, print_words
from flowtrail_collector.documents.asyncapi.comparing import Finding, OwnerError, compared, owner_of
from flowtrail_collector.documents.asyncapi.declared import Declared, declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.landscape import Landscape
from flowtrail_collector.documents.text import yaml_text
from flowtrail_collector.units import parse_duration
from flowtrail_collector.wording import counted, printable


@click.group()
def asyncapi() -> None:
    """AsyncAPI documents of what flows."""


@asyncapi.command()
@contract_options
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the document to this file instead of printing it; an existing file is not overwritten.")  # fmt: skip
@click.option("--title", default="Events", show_default=True, help="Title of the document.")
@click.option("--document-version", default="1.0.0", show_default=True, help="Version of the document.")
@collector_options
def export(
    client: CollectorClient, as_json: bool, contracts: str | None, registry: str | None, output: Path | None,
    title: str, document_version: str,
) -> int:  # fmt: skip
    """Write an AsyncAPI 3.0 document of what a collector has seen flow.

    YAML, or JSON with --json. Payloads have schemas where --contracts or --registry has them.

    Exit code 1: nothing flows. 2: a contract can't be read, or the output can't be written. 3: the collector or
    the registry can't be reached.
    """
    known = known_contracts(contracts, registry)
    landscape = landscape_of(client)
    if not landscape.topics:
        raise Failure("the collector has seen no event with a type yet", EXIT_FINDINGS)
    about = About(title, document_version, shown_url(registry))
    document = with_contracts(lambda: document_of(landscape, known, about))
    tell_missing(known, "their messages have no payload")
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n" if as_json else yaml_text(document)
    if output is not None:
        write_new(output, text)
    else:
        # Through click, not the console: a document is not to be wrapped or coloured.
        click.echo(printable(text, "\n\t"), nl=False)
    return EXIT_OK


@asyncapi.command()
@click.argument("file", type=click.Path(path_type=Path))
@contract_options
@click.option(
    "--service", help="Service that the document describes: only what it sends and reads must be in it."
)
@click.option(
    "--since", default="30d", show_default=True, help="What wasn't seen within this time counts as unseen."
)
@click.option("--github", is_flag=True, help="Print findings as annotations for GitHub Actions.")
@collector_options
def check(
    client: CollectorClient, as_json: bool, file: Path, contracts: str | None, registry: str | None,
    service: str | None, since: str, github: bool,
) -> int:  # fmt: skip
    """Compare an AsyncAPI 3 document with what flows.

    It reports undeclared types and readers, what is declared but never seen, and schemas and versions that differ from
    those that flow.

    Exit code 1: something differs. 2: the document or a contract can't be read. 3: the collector or the registry
    can't be reached.
    """
    window = timedelta(seconds=parse_duration(since))
    declared = declared_in(file)
    known = known_contracts(contracts, registry)
    landscape = landscape_of(client)
    owner = _owner(declared, landscape, service, file)
    now = datetime.now(UTC)
    findings = with_contracts(
        lambda: compared(
            declared,
            landscape,
            known,
            owner=owner,
            since=(now - window).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            today=now.date(),
        )
    )
    tell_missing(known, "their payloads weren't compared")
    if not known:
        print_complaint("note: schemas weren't compared; use --contracts or --registry to say where they are")
    _print(findings, as_json=as_json, github=github, owner=owner)
    if findings:
        return EXIT_FINDINGS
    return EXIT_USAGE if known.unusable else EXIT_OK


def _owner(declared: Declared, landscape: Landscape, service: str | None, file: Path) -> str | None:
    try:
        return owner_of(declared, landscape, service)
    except OwnerError as error:
        known = printable(", ".join(error.services[:20])) or "none yet"
        what = "use --service to say which service it describes"
        if service is not None:
            what = f"neither the document nor the collector knows a service {printable(service)!r}"
        raise Failure(f"{file}: {what}; known services: {known}", EXIT_USAGE) from None


def _print(findings: Sequence[Finding], *, as_json: bool, github: bool, owner: str | None) -> None:
    if as_json:
        print_json({"service": owner, "findings": [_json(finding) for finding in findings]})
        return
    if github:
        for finding in findings:
            click.echo(_annotation(finding))
        return
    out = console()
    for finding in findings:
        print_words(out, printable(_line(finding)), indent=2)
    print_words(out, counted(len(findings), "finding") if findings else "the document matches what flows")


def _line(finding: Finding) -> str:
    return f"{finding.place}: {finding.kind}: {finding.message}"


def _annotation(finding: Finding) -> str:
    """See https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    file = _escaped(finding.place.file).replace(":", "%3A").replace(",", "%2C")
    title = finding.kind.replace("-", " ")
    return f"::error file={file},line={finding.place.line},title={title}::{_escaped(finding.message)}"


def _escaped(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _json(finding: Finding) -> dict[str, object]:
    change = finding.change
    return {
        "kind": finding.kind,
        "file": finding.place.file,
        "line": finding.place.line,
        "message": finding.message,
        "topic": finding.topic,
        "type": finding.type,
        "version": finding.version,
        "service": finding.service,
        "last_seen": finding.last,
        "field": None if change is None else change.field,
        "rule": None if change is None else change.rule,
        "detail": None if change is None else change.detail,
        "breaks": None if change is None else sorted(change.breaks),
    }
