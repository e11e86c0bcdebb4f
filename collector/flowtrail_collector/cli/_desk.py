"""What the commands about dead letters have in common: which one is meant, who asks, and whether they mean it."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

import click

from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._output import print_json
from flowtrail_collector.cli._redrive_view import print_job

LETTERS = "/api/v1/dead-letters"


def wanted_place(client: CollectorClient, wanted: str) -> tuple[str, list[dict[str, Any]]]:
    """Where the dead letter is that somebody names, by its place or by an id; and others of that id.

    Raises:
        Failure: There is none.
    """
    place = place_in(wanted)
    if place is not None:
        return place, []
    found = client.get(f"{LETTERS}/find", {"id": wanted})["dead_letters"]
    if not found:
        raise Failure(f"no dead letter found for {wanted}", EXIT_FINDINGS)
    return place_of(found[0]), found[1:]


def place_in(text: str) -> str | None:
    """`TOPIC/PARTITION@OFFSET` as a path, None if it isn't one."""
    topic, _, rest = text.rpartition("/")
    partition, _, offset = rest.partition("@")
    if not topic or "/" in topic or not (partition + offset).isascii():
        return None
    return f"{topic}/{partition}/{offset}" if partition.isdecimal() and offset.isdecimal() else None


def place_of(letter: dict[str, Any]) -> str:
    """Where a dead letter is, as a path."""
    return f"{letter['topic']}/{letter['partition']}/{letter['offset']}"


def user() -> str:
    """Who asks, for the audit."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unnamed"


def confirm(question: str, yes: bool) -> None:
    """Ask, unless the answer is known.

    Raises:
        Failure: No, or nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("no terminal to confirm on: pass --yes", EXIT_USAGE)
    if not click.confirm(question, err=True):
        raise Failure("aborted; nothing was done", EXIT_USAGE)


def finish(job: dict[str, Any], as_json: bool, detached: bool) -> int:
    """Print how a redrive stands; its exit code."""
    if as_json:
        print_json(job)
    else:
        print_job(job)
    if detached:
        return EXIT_OK
    clean = job["state"] == "done" and not job["refused"] and not job["quarantined"]
    return EXIT_OK if clean else EXIT_FINDINGS
