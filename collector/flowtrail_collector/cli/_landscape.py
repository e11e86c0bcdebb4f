"""What flows, as a running collector tells it, and the contracts of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import click

from flowtrail.contracts import FolderSource, RegistrySource, RegistryUnavailableError, Source
from flowtrail.errors import ConfigurationError
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import FILE_OR_URL, stacked
from flowtrail_collector.cli._output import print_complaint
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.gathering import gathered
from flowtrail_collector.documents.landscape import Landscape
from flowtrail_collector.wording import printable

__all__ = [
    "contract_options",
    "known_contracts",
    "landscape_of",
    "registry_of",
    "shown_url",
    "tell_missing",
    "with_contracts",
]

T = TypeVar("T")
_URL = re.compile(r"https?://")
_SHOWN = 10

contract_options = stacked(
    (
        click.option("--contracts", metavar="FOLDER", type=FILE_OR_URL,
                     help="Contracts of what flows: a folder of TYPE/VERSION.json, .avsc or .proto."),
        click.option("--registry", metavar="URL", help="A schema registry, in addition to the folder or instead of it."),
    )
)  # fmt: skip


def landscape_of(client: CollectorClient) -> Landscape:
    """All that flows; a warning on stderr tells what isn't known."""
    lag = None
    try:
        lag = client.get("/api/v1/lag")
    except Failure as failure:
        if failure.message.startswith("no collector answers"):
            raise
        print_complaint(f"warning: consumer groups aren't known ({failure.message})")
    catalog = client.get("/api/v1/catalog")
    if catalog["full"]:
        print_complaint("warning: there are more types than the collector keeps; some are left out")
    return gathered(
        status=client.get("/api/v1/status"),
        topics=client.get("/api/v1/topics"),
        catalog=catalog,
        readers=client.get("/api/v1/readers"),
        flows=client.get("/api/v1/flows"),
        lag=lag,
    )


def known_contracts(folder: str | None, registry: str | None) -> Known:
    """Contracts from wherever they are named.

    Raises:
        Failure: They can't be read.
    """

    def sources() -> list[Source]:
        if folder is not None and _URL.match(folder):
            raise Failure(f"--contracts {folder} isn't a folder: name a registry with --registry", EXIT_USAGE)
        found: list[Source] = [] if folder is None else [FolderSource(folder)]
        if registry is not None:
            if not _URL.match(registry):
                hint = ": name a folder with --contracts" if registry and Path(registry).is_dir() else ""
                raise Failure(f"--registry {registry!r} is not an HTTP URL{hint}", EXIT_USAGE)
            found.append(registry_of(registry))
        return found

    return Known(with_contracts(sources))


def registry_of(url: str) -> RegistrySource:
    """A registry, closed when the command ends."""
    source = RegistrySource(url)
    click.get_current_context().call_on_close(source.close)
    return source


def with_contracts(use: Callable[[], T]) -> T:
    """What comes of using contracts; what goes wrong with them becomes one line."""
    try:
        return use()
    except ConfigurationError as error:
        raise Failure(str(error), EXIT_USAGE) from error
    except RegistryUnavailableError as error:
        raise Failure(str(error), EXIT_UNREACHABLE) from error


def tell_missing(known: Known, so: str) -> None:
    """Lines on stderr: one about contracts that are nowhere, and one for each that can't be used.

    Args:
        known: The contracts, after they were used.
        so: What comes of it.
    """
    for line in known.unusable:
        print_complaint(f"warning: {printable(line)}")
    if known.missing:
        first = ", ".join(list(known.missing)[:_SHOWN])
        more = f" and {len(known.missing) - _SHOWN} more" if len(known.missing) > _SHOWN else ""
        print_complaint(f"note: there is no contract for {printable(first)}{more}: {so}")


def shown_url(url: str | None) -> str | None:
    """An address without user and password."""
    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
