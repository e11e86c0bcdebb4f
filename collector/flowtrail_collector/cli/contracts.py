"""`flowtrail contracts`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from flowtrail.contracts import (
    Definition,
    Finding,
    FolderSource,
    NotARegistryError,
    RegistryUnavailableError,
    Source,
)
from flowtrail.errors import ConfigurationError
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.cli._landscape import registry_of
from flowtrail_collector.cli._options import FILE_OR_URL, json_option
from flowtrail_collector.cli._output import console, print_complaint, print_json, print_words
from flowtrail_collector.cli._readers import Judgement, change_json, judge, judgement_json, lines_of
from flowtrail_collector.cli._usable import Usable
from flowtrail_collector.errors import ConfigurationError as CollectorConfigurationError
from flowtrail_collector.units import parse_duration
from flowtrail_collector.wording import counted, printable

_URL = re.compile(r"https?://")


@click.group()
def contracts() -> None:
    """Contracts of events."""


@contracts.command()
@click.argument("states", nargs=-1, metavar="[OLD] NEW", type=FILE_OR_URL)
@click.option(
    "--against",
    metavar="URL",
    help="A collector to ask: who reads these events now, and would break?",
)
@click.option(
    "--since",
    default="1d",
    show_default=True,
    help="With --against: readers seen within this time, e.g. 30d.",
)
@click.option(
    "--token",
    envvar="FLOWTRAIL_TOKEN",
    show_envvar=True,
    help="With --against: the collector's access token.",
)
@json_option
def check(states: Sequence[str], against: str | None, since: str, token: str | None, as_json: bool) -> int:
    """Check what changed between two states of the contracts, OLD and NEW.

    Each is a folder of TYPE/VERSION.json, .avsc or .proto, a registry's URL, or (both) a single contract's
    file. With --against, OLD may be left out: then NEW's new versions are compared with what its readers use,
    and changes in place aren't found.

    Exit code 1: something breaks; the line names field, rule and versions. 2: a contract can't be read, or
    nobody can tell who would break. 3: the registry or the collector doesn't answer.
    """
    if not (len(states) == 2 or (len(states) == 1 and against is not None)):
        raise Failure("name OLD and NEW, or NEW and a collector with --against", EXIT_USAGE)
    today = datetime.now(UTC).date()
    _check_kinds(states)
    try:
        parse_duration(since)
        usable = Usable([] if any(map(_is_file, states)) else [_source(place) for place in states])
        found = _compared(states, usable, today) if len(states) == 2 else None
        judged = None if against is None else _judged(states, usable, against, since, token, today)
    except CollectorConfigurationError as error:
        raise Failure(f"--since: {error}", EXIT_USAGE) from error
    except ConfigurationError as error:
        raise Failure(str(error), EXIT_USAGE) from error
    except RegistryUnavailableError as error:
        hint = "; a collector is named with --against" if isinstance(error, NotARegistryError) else ""
        raise Failure(f"{error}{hint}", EXIT_UNREACHABLE) from error
    for line in usable.unusable:
        print_complaint(f"unusable: {printable(line)}")
    if as_json:
        print_json(_all_json(found, judged))
    else:
        out = console()
        for line in _lines(found, judged):
            print_words(out, line, indent=2)
    if _breaks(found, judged):
        return EXIT_FINDINGS
    in_doubt = judged is not None and judged.doubt is not None
    return EXIT_USAGE if in_doubt or usable.unusable else EXIT_OK


def _check_kinds(states: Sequence[str]) -> None:
    """A single contract can only be held against another one.

    Raises:
        Failure: It is to be held against a folder or a registry; says what may have been meant.
    """
    files = [place for place in states if _is_file(place)]
    others = [place for place in states if not _is_file(place)]
    if not files or not others:
        return
    file, other = Path(files[0]), others[0]
    same = Path(other) / file.absolute().parent.name / file.name
    if _URL.match(other):
        what = f"a registry: put {file.name} into a folder, as TYPE/{file.name}, and name the folder"
    elif not Path(other).is_dir():
        raise Failure(f"{other}: no such file, and {file} is one: name two files", EXIT_USAGE)
    elif same.is_file():
        what = f"a folder: name {same}, or two folders"
    else:
        what = "a folder: name two files, or two folders"
    raise Failure(f"{file} is a single contract and {other} {what}", EXIT_USAGE)


def _breaks(found: Sequence[Finding] | None, judged: Judgement | None) -> bool:
    return any(finding.breaking for finding in found or ()) or (judged is not None and bool(judged.broken))


def _lines(found: Sequence[Finding] | None, judged: Judgement | None) -> list[str]:
    """What is printed: one verdict, at the end."""
    lines = [
        f"{'breaks' if finding.breaking else 'new version'}: {printable(str(finding))}"
        for finding in found or ()
    ]
    breaking = sum(finding.breaking for finding in found or ())
    changes = counted(breaking, "breaking change") if breaking else "compatible"
    if judged is None:
        return [*lines, changes]
    *readers, verdict = lines_of(judged)
    return [*lines, *readers, f"{changes}; {verdict}" if breaking else verdict]


def _all_json(found: Sequence[Finding] | None, judged: Judgement | None) -> dict[str, object]:
    unknown = judged is not None and judged.doubt is not None and not _breaks(found, judged)
    shown: dict[str, object] = {"compatible": None if unknown else not _breaks(found, judged)}
    if found is not None:
        shown["findings"] = [_json(finding) for finding in found]
    return shown if judged is None else {**shown, **judgement_json(judged)}


def _compared(states: Sequence[str], usable: Usable, today: date) -> list[Finding]:
    from flowtrail.contracts import compare, compare_in_place, compare_sources
    from flowtrail.contracts.folder import read_file, version_of

    if not usable.sources:
        before, after = map(Path, states)
        versions = version_of(before), version_of(after)
        judge = compare if versions[0] != versions[1] else compare_in_place
        changes = judge(read_file(before), read_file(after), today=today)
        return [Finding(after.absolute().parent.name, *versions, change) for change in changes]
    return compare_sources(*usable.sources, today=today)


def _judged(
    states: Sequence[str], usable: Usable, against: str, since: str, token: str | None, today: date
) -> Judgement:
    client = CollectorClient(against, token, option="--against")
    try:
        *before, new = usable.sources or [
            _OneType(Path(place), beside=place is states[-1]) for place in states
        ]
        return judge(client, since, new, before[0] if before else None, today)
    finally:
        client.close()


def _is_file(place: str) -> bool:
    return not _URL.match(place) and Path(place).is_file()


def _source(place: str) -> Source:
    return registry_of(place) if _URL.match(place) else FolderSource(place)


class _OneType:
    """A single contract's file, and if wanted those of other versions beside it, which readers may have."""

    def __init__(self, file: Path, *, beside: bool) -> None:
        from flowtrail.contracts.folder import read_file, version_of

        self._type = file.absolute().parent.name
        self._files = {version_of(file): file}
        self._contracts: dict[int, Definition] = {}
        self._read = read_file
        for other in sorted(file.absolute().parent.iterdir()) if beside else ():
            if other.stem.isascii() and other.stem.isdecimal() and other.suffix == file.suffix:
                self._files.setdefault(version_of(other), other)
        self.schema(self._type, version_of(file))

    def types(self) -> Sequence[str]:
        return [self._type]

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        return sorted(self._files) if type == self._type else ()

    def schema(self, type: str, version: int) -> Definition | None:
        file = self._files.get(version) if type == self._type else None
        if file is None:
            return None
        if version not in self._contracts:
            self._contracts[version] = self._read(file)
        return self._contracts[version]


def _json(finding: Finding) -> dict[str, object]:
    return {
        "type": finding.type,
        "old_version": finding.old_version,
        "new_version": finding.new_version,
        **change_json(finding.change),
        "breaking": finding.breaking,
    }
