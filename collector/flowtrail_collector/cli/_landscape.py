"""What flows, as a running collector tells it, and the contracts of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import click

from flowtrail.contracts import FolderSource, RegistrySource, RegistryUnavailableError, Source
from flowtrail.errors import ConfigurationError
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import stacked
from flowtrail_collector.cli._output import print_complaint
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.gathering import gathered
from flowtrail_collector.documents.landscape import Landscape

__all__ = ["contract_options", "known_contracts", "landscape_of", "shown_url", "with_contracts"]

T = TypeVar("T")
_URL = re.compile(r"https?://")

contract_options = stacked(
    (
        click.option("--contracts", metavar="FOLDER",
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
        found: list[Source] = [] if folder is None else [FolderSource(folder)]
        if registry is not None:
            if not _URL.match(registry):
                raise Failure(f"--registry {registry!r} is not an HTTP URL", EXIT_USAGE)
            found.append(RegistrySource(registry))
        return found

    return Known(with_contracts(sources))


def with_contracts(use: Callable[[], T]) -> T:
    """What comes of using contracts; what goes wrong with them becomes one line."""
    try:
        return use()
    except ConfigurationError as error:
        raise Failure(str(error), EXIT_USAGE) from error
    except RegistryUnavailableError as error:
        raise Failure(str(error), EXIT_UNREACHABLE) from error


def shown_url(url: str | None) -> str | None:
    """An address without user and password."""
    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
