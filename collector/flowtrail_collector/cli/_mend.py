"""`flowtrail dlq payload` and `flowtrail dlq edit`: look at what a dead letter holds, and send it with changes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._desk import LETTERS, confirm, finish, user, wanted_place
from flowtrail_collector.cli._errors import EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._output import console, print_json, print_words
from flowtrail_collector.cli._redrive_view import follow
from flowtrail_collector.wording import counted, marked, printable

_WANTED = click.argument("wanted", metavar="ID|TOPIC/PARTITION@OFFSET", shell_complete=values.places)
_MAX_FILE_BYTES = 4_194_304 + 2  # as much as a collector takes, and a line break at the end


def _token() -> str | None:
    """What shows payloads; None: what writes."""
    return os.environ.get("FLOWTRAIL_PAYLOAD_TOKEN", "").strip() or None


@click.command()
@_WANTED
@click.option("--value-only", is_flag=True, help="Print nothing but the value, to edit it in a file.")
@collector_options
def payload(client: CollectorClient, as_json: bool, wanted: str, value_only: bool) -> int:
    """Show what a dead letter holds: key, headers and the decoded value.

    Needs the payload token (FLOWTRAIL_PAYLOAD_TOKEN) where there is one, else the write token, and a collector that
    shows payloads; each look is recorded in the audit log.
    ID is of an event, a flow or an order; the newest is shown.
    """
    place, _ = wanted_place(client, wanted)
    data = client.post(f"{LETTERS}/{place}/payload", {"by": user()}, write_token=_token())
    if as_json:
        print_json(data)
    elif value_only:
        _print_value(data["value"])
    else:
        _print_payload(data)
    return EXIT_OK


@click.command()
@_WANTED
@click.option(
    "--value",
    "value_file",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="File with the new value; - reads standard input.",
)
@click.option("--key", help="The new key.")
@click.option("--no-key", is_flag=True, help="Send it without a key.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Header to add or replace.")
@click.option("--remove-header", "removed", multiple=True, metavar="NAME", help="Header to remove.")
@click.option("--reason", required=True, help="Why; recorded in the audit log.")
@click.option("--to", help="Topic to send it to instead of its original one.")
@click.option("--dry-run", is_flag=True, help="Show what would change without sending it.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--detach", is_flag=True, help="Return at once; follow it with `dlq watch ID`.")
@collector_options
def edit(
    client: CollectorClient,
    as_json: bool,
    wanted: str,
    dry_run: bool,
    yes: bool,
    detach: bool,
    **asked: Any,
) -> int:
    """Send a dead letter back with another value, key or headers.

    The value is JSON, even if the record holds Avro or Protobuf; it is checked against its contract before it is
    sent. Of text, a line break at the end of the file is left out if the value has none there. The dead letter stays as it is in its topic. Needs the token that `dlq payload` needs.

    Exit code 1: it was refused.
    """
    body = _body(**asked)
    place, _ = wanted_place(client, wanted)
    path = f"{LETTERS}/{place}/edit"
    if "value" in body:
        body["value"] = _without_added_break(client, place, body["value"])
    draft = client.post(path, {**body, "dry_run": True}, write_token=_token())
    if not as_json:
        _print_draft(draft)
    if dry_run:
        if as_json:
            print_json(draft)
        return EXIT_OK
    confirm("Send it?", yes)
    job = client.post(path, body, write_token=_token())
    if not detach:
        job = follow(client, job, quiet=as_json)
    return finish(job, as_json, detach)


def _body(
    value_file: str | None,
    key: str | None,
    no_key: bool,
    headers: tuple[str, ...],
    removed: tuple[str, ...],
    reason: str,
    to: str | None,
) -> dict[str, Any]:
    if key is not None and no_key:
        raise Failure("--key and --no-key can't be combined", EXIT_USAGE)
    changed: dict[str, str | None] = dict.fromkeys(removed)
    for header in headers:
        name, found, value = header.partition("=")
        if not found:
            raise Failure(f"--header takes NAME=VALUE, not {header!r}", EXIT_USAGE)
        changed[name] = value
    body: dict[str, Any] = {"reason": reason, "by": user()}
    if value_file is not None:
        body["value"] = _text_of(value_file)
    if key is not None or no_key:
        body["key"] = key
    if changed:
        body["headers"] = changed
    if len(body) == 2:
        raise Failure("nothing to change: pass --value, --key or --header", EXIT_USAGE)
    return body if to is None else {**body, "to": to}


def _text_of(name: str) -> str:
    try:
        with click.open_file(name, "rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Failure(f"--value {name}: {error.strerror}", EXIT_USAGE) from None
    if len(content) > _MAX_FILE_BYTES:
        raise Failure(f"--value {name}: more than {_MAX_FILE_BYTES} bytes", EXIT_USAGE)
    try:
        return str(content.decode())
    except UnicodeDecodeError:
        raise Failure(f"--value {name}: not UTF-8", EXIT_USAGE) from None


def _without_added_break(client: CollectorClient, place: str, text: str) -> str:
    """The text without the line break that editors put at the end of a file, where the value has none there."""
    stripped = text.removesuffix("\n").removesuffix("\r")
    if not text.endswith("\n"):
        return text
    value = client.post(f"{LETTERS}/{place}/payload", {"by": user()}, write_token=_token())["value"]
    if value["text"].endswith("\n"):
        return text
    if value["format"] == "text":
        click.echo(
            "flowtrail: the line break at the end of --value is left out, as the value has none there;"
            " to add one, end the file with two",
            err=True,
        )
    return stripped


def _print_value(value: dict[str, Any]) -> None:
    """The value alone: exactly as it is for a file, and for a terminal with marks for what that would obey."""
    text = value["text"]
    if sys.stdout.isatty():
        click.echo(marked(text))
    else:
        click.echo(text.encode(), nl=False)
    if value["problem"]:
        click.echo(f"flowtrail: {printable(value['problem'])}", err=True)


def _print_payload(data: dict[str, Any]) -> None:
    out = console()
    key, value = data["key"], data["value"]
    print_words(out, f"key     {'none' if key is None else _shown(key)}", indent=8)
    for header in data["headers"]:
        # No text can look like that: what has one has a colon.
        said = " (null)" if header["text"] is None else f": {_shown(header)}"
        print_words(out, f"header  {marked(header['name'], keep='')}{said}", indent=8)
    size = "none" if value["bytes"] is None else counted(value["bytes"], "byte")
    by = f", {printable(value['contract'])}" if value["contract"] else ""
    print_words(out, f"value   {value['format']}, {size}{by}", indent=8)
    for name, problem in (("not decoded", value["problem"]), ("can't be sent as it is", data["problem"])):
        if problem:
            print_words(out, f"{name}: {printable(problem)}", indent=2)
    for line in value["text"].split("\n"):
        out.print(marked(line, keep="\t"), soft_wrap=True)
    for edit in data["edits"]:
        print_words(
            out, f"edited {edit['at']} by {printable(edit['by'])}: {printable(edit['reason'])}", indent=2
        )
        _print_diff(edit["diff"])


def _print_draft(draft: dict[str, Any]) -> None:
    out = console()
    partition = "" if draft["partition"] is None else f"/{draft['partition']}"
    checked = (
        f"checked by {draft['checked_by']}"
        if draft["checked_by"]
        else "no contract is known to check it against"
    )
    said = f"; {checked}" if "value" in draft["changed"].split(", ") else ""
    print_words(out, printable(f"to {draft['topic']}{partition}: {draft['changed']}{said}"), indent=2)
    _print_diff(draft["diff"])


def _print_diff(diff: str) -> None:
    out = console()
    styles = {"-": "red", "+": "green"}
    for line in diff.split("\n"):
        out.print("  " + marked(line, keep="\t"), style=styles.get(line[:1]), soft_wrap=True)


def _shown(item: dict[str, Any]) -> str:
    return marked(str(item["text"]), keep="") + (" (Base64)" if item["encoding"] == "base64" else "")
