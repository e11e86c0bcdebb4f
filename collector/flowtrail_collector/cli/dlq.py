"""`flowtrail dlq`: look at dead letters, send them back, dismiss them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._dead_letters_view import (
    print_audit,
    print_causes,
    print_dead_letters,
    print_dossier,
)
from flowtrail_collector.cli._desk import LETTERS, confirm, finish, place_in, user, wanted_place
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._mend import edit, payload
from flowtrail_collector.cli._options import limit_option, stacked
from flowtrail_collector.cli._output import console, print_json, print_words
from flowtrail_collector.cli._redrive_view import follow, print_job, print_jobs, print_survey
from flowtrail_collector.wording import counted

_STATES = ("pending", "redriven", "quarantined", "dismissed")
_REDRIVES = "/api/v1/redrives"
_FILTERS = (
    click.option("--topic", shell_complete=values.letter_topics, help="Only this dead letter topic."),
    click.option("--source", shell_complete=values.topics, help="Only those that came from this topic."),
    click.option(
        "--group", shell_complete=values.groups, help="Only those dead-lettered by this consumer group."
    ),
    click.option("--error", shell_complete=values.errors, help="Only this error type."),
    click.option(
        "--cause", shell_complete=values.causes, help="Only those with this cause, as listed by `dlq causes`."
    ),
    click.option("--id", shell_complete=values.ids, help="Only those for this event, flow or order id."),
    click.option(
        "--flow", shell_complete=values.flows, help="Only those that belong to this flow in the flow file."
    ),
    click.option(
        "--since", help="Only those that arrived since: 2h (two hours ago), or 2026-01-31T12:00:00Z."
    ),
    click.option("--until", help="Only those that arrived before: same format."),
)
_filters = stacked(_FILTERS)
_selection = stacked(
    (
        *_FILTERS,
        click.option("--place", metavar="TOPIC/PARTITION@OFFSET", shell_complete=values.places, help="Only this one."),
        click.option("--quarantined", is_flag=True,
                     help="Quarantined dead letters instead of pending ones."),
        click.option("--all", "everything", is_flag=True,
                     help="All of them; required when no other filter is given."),
    )
)  # fmt: skip
_yes = click.option("--yes", is_flag=True, help="Don't ask for confirmation.")


@click.group()
def dlq() -> None:
    """Dead letters."""


dlq.add_command(payload)
dlq.add_command(edit)


@dlq.command("list")
@_filters
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@limit_option(50)
@collector_options
def list_dead_letters(client: CollectorClient, as_json: bool, limit: int, **filters: str | None) -> int:
    """List dead letters, newest first."""
    data = client.get(LETTERS, {**filters, "limit": limit})
    if as_json:
        print_json(data)
    else:
        print_dead_letters(data["dead_letters"], limit)
    return EXIT_OK


@dlq.command()
@_filters
@click.option(
    "--state", type=click.Choice(_STATES), default="pending", show_default=True, help="Those in this state."
)
@limit_option(20)
@collector_options
def causes(client: CollectorClient, as_json: bool, limit: int, **filters: str | None) -> int:
    """Group dead letters by cause, most recent first: count, first and last seen, and an example.

    A cause is a group, an event type, an error type and what the error messages have in common, whatever ids they
    name. Other commands take it as --cause.
    """
    data = client.get(f"{LETTERS}/causes", {**filters, "limit": limit})
    if as_json:
        print_json(data)
    else:
        print_causes(data["causes"], limit)
    return EXIT_OK


@dlq.command()
@click.argument("wanted", metavar="ID|TOPIC/PARTITION@OFFSET", shell_complete=values.places)
@limit_option(50)
@collector_options
def show(client: CollectorClient, as_json: bool, wanted: str, limit: int) -> int:
    """Show a dead letter: its headers, where it came from, what was done with it. Not its payload: see `dlq payload`.

    ID is of an event, a flow or an order; the newest is shown, the others are listed.
    """
    place, others = wanted_place(client, wanted)
    data = client.get(f"{LETTERS}/{place}")
    if as_json:
        print_json({**data, "others": others})
    else:
        print_dossier(data, others, limit)
    return EXIT_OK


@dlq.command()
@_selection
@click.option("--to", help="Topic to send them to instead of their original one.")
@click.option("--rate", type=click.FloatRange(min=0), default=0.0, help="Maximum per second; 0: no limit.")
@click.option(
    "--replay-limit",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    help="Quarantine dead letters that were already redriven this many times.",
)
@click.option("--dry-run", is_flag=True, help="Show what would happen without doing it.")
@_yes
@click.option("--detach", is_flag=True, help="Return at once; follow it with `dlq watch ID`.")
@collector_options
def redrive(
    client: CollectorClient,
    as_json: bool,
    place: str | None,
    quarantined: bool,
    everything: bool,
    dry_run: bool,
    yes: bool,
    detach: bool,
    **asked: Any,
) -> int:
    """Send dead letters back to their topics.

    The collector does the work in batches and resumes after a restart; this command shows its progress.
    Every consumer group of a topic sees what is sent back, not only the one that failed.

    Exit code 1: some were refused or went to quarantine, or none matched.
    """
    body = _body(asked, place, everything, quarantined)
    if not dry_run:
        _check_narrowed(asked, place, everything)
    survey = client.post(f"{LETTERS}/redrive", {**body, "dry_run": True})
    if not as_json:
        print_survey(survey)
    if dry_run or not survey["total"]:
        if as_json:
            print_json(survey)
        return EXIT_OK if survey["total"] else EXIT_FINDINGS
    confirm(f"Redrive {counted(survey['total'], 'dead letter')}?", yes)
    agreed = {"as_of": survey["as_of"], "expected_total": survey["total"]}
    job = client.post(f"{LETTERS}/redrive", {**body, **agreed})
    if not detach:
        job = follow(client, job, quiet=as_json)
    return finish(job, as_json, detach)


@dlq.command()
@_selection
@click.option("--note", required=True, help="The reason; recorded in the audit log.")
@_yes
@collector_options
def dismiss(
    client: CollectorClient,
    as_json: bool,
    place: str | None,
    quarantined: bool,
    everything: bool,
    note: str,
    yes: bool,
    **asked: Any,
) -> int:
    """Mark dead letters as resolved, with a reason. They stay in their topic.

    Exit code 1: none matched.
    """
    body = {**_body(asked, place, everything, quarantined), "note": note}
    _check_narrowed(asked, place, everything)
    found = client.post(f"{LETTERS}/dismiss", {**body, "dry_run": True})
    data = {"dismissed": 0}
    if matching := found["matching"]:
        confirm(f"Dismiss {counted(matching, 'dead letter')}?", yes)
        agreed = {"as_of": found["as_of"], "expected_total": matching}
        data = client.post(f"{LETTERS}/dismiss", {**body, **agreed})
    if as_json:
        print_json(data)
    else:
        print_words(console(), f"{data['dismissed']} dismissed")
    return EXIT_OK if data["dismissed"] else EXIT_FINDINGS


@dlq.command()
@limit_option(20)
@collector_options
def jobs(client: CollectorClient, as_json: bool, limit: int) -> int:
    """List redrives, the newest first."""
    data = client.get(_REDRIVES, {"limit": limit})
    if as_json:
        print_json(data)
    else:
        print_jobs(data["redrives"])
    return EXIT_OK


@dlq.command()
@click.argument("job_id", metavar="ID", shell_complete=values.redrives)
@collector_options
def watch(client: CollectorClient, as_json: bool, job_id: str) -> int:
    """Follow a redrive until it has finished.

    Exit code 1: some were refused or went to quarantine.
    """
    job = client.get(f"{_REDRIVES}/{quote(job_id, safe='')}")
    return finish(follow(client, job, quiet=as_json), as_json, False)


@dlq.command()
@click.argument("job_id", metavar="ID", shell_complete=values.redrives)
@collector_options
def cancel(client: CollectorClient, as_json: bool, job_id: str) -> int:
    """Stop a redrive after the current batch."""
    job = client.post(f"{_REDRIVES}/{quote(job_id, safe='')}/cancel", {"by": user()})
    if as_json:
        print_json(job)
    else:
        print_job(job)
    return EXIT_OK


@dlq.command()
@click.option("--job", "job_id", help="Only what this redrive moved (its id).")
@limit_option(50)
@collector_options
def audit(client: CollectorClient, as_json: bool, job_id: str | None, limit: int) -> int:
    """Show who requested what, and where each dead letter went."""
    data = client.get(f"{LETTERS}/audit", {"redrive": job_id, "limit": limit})
    if as_json:
        print_json(data)
    else:
        print_audit(data, writes=job_id is None)
    return EXIT_OK


def _body(asked: dict[str, Any], place: str | None, everything: bool, quarantined: bool) -> dict[str, Any]:
    body = {name: value for name, value in asked.items() if value is not None}
    if place is not None:
        parts = place_in(place)
        if parts is None:
            raise Failure(f"--place takes TOPIC/PARTITION@OFFSET, not {place!r}", EXIT_USAGE)
        topic, partition, offset = parts.split("/")
        body.update(topic=topic, partition=int(partition), offset=int(offset))
    state = "quarantined" if quarantined else "pending"
    return {**body, "by": user(), "all": everything, "state": state}


def _check_narrowed(asked: dict[str, Any], place: str | None, everything: bool) -> None:
    names = ("topic", "source", "group", "error", "cause", "id", "flow", "since", "until")
    if not everything and place is None and all(asked[name] is None for name in names):
        raise Failure("that would select every dead letter: narrow it down, or pass --all", EXIT_USAGE)
