"""`flowtrail contracts`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from flowtrail.contracts import Finding, FolderSource, RegistrySource, RegistryUnavailableError, Source
from flowtrail.errors import ConfigurationError
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import json_option
from flowtrail_collector.cli._output import print_json
from flowtrail_collector.wording import counted, printable

_URL = re.compile(r"https?://")


@click.group()
def contracts() -> None:
    """Contracts of events."""


@contracts.command()
@click.argument("old")
@click.argument("new")
@json_option
def check(old: str, new: str, as_json: bool) -> int:
    """Check what changed between two states of the contracts, OLD and NEW.

    Each is a folder of TYPE/VERSION.json, .avsc or .proto, a registry's URL, or (both) a single contract's
    file.

    Exit code 1: something breaks; the line names field, rule and versions. 2: a contract can't be read.
    3: the registry doesn't answer.
    """
    try:
        found = _compared(old, new)
    except ConfigurationError as error:
        raise Failure(str(error), EXIT_USAGE) from error
    except RegistryUnavailableError as error:
        raise Failure(str(error), EXIT_UNREACHABLE) from error
    breaking = [finding for finding in found if finding.breaking]
    if as_json:
        print_json({"compatible": not breaking, "findings": [_json(finding) for finding in found]})
    else:
        for finding in found:
            click.echo(f"{'breaks' if finding.breaking else 'new version'}: {printable(str(finding))}")
        click.echo(counted(len(breaking), "breaking change") if breaking else "compatible")
    return EXIT_FINDINGS if breaking else EXIT_OK


def _compared(old: str, new: str) -> list[Finding]:
    from flowtrail.contracts import compare, compare_in_place, compare_sources
    from flowtrail.contracts.folder import read_file, version_of

    today = datetime.now(UTC).date()
    before, after = Path(old), Path(new)
    if not _URL.match(old) and not _URL.match(new) and before.is_file() and after.is_file():
        versions = version_of(before), version_of(after)
        judge = compare if versions[0] != versions[1] else compare_in_place
        changes = judge(read_file(before), read_file(after), today=today)
        return [Finding(after.absolute().parent.name, *versions, change) for change in changes]
    return compare_sources(_source(old), _source(new), today=today)


def _source(place: str) -> Source:
    return RegistrySource(place) if _URL.match(place) else FolderSource(place)


def _json(finding: Finding) -> dict[str, object]:
    return {
        "type": finding.type,
        "old_version": finding.old_version,
        "new_version": finding.new_version,
        "field": finding.change.field,
        "rule": finding.change.rule,
        "detail": finding.change.detail,
        "breaks": sorted(finding.change.breaks),
        "breaking": finding.breaking,
    }
