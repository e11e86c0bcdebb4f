"""The command line's side of the collector's HTTP API."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import click
import httpx

from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import json_option, stacked

F = TypeVar("F", bound=Callable[..., Any])
_TIMEOUT_SECONDS = 30.0
DEFAULT_URL = "http://127.0.0.1:8090"
"""Where a collector listens unless it was told otherwise."""
url_option = click.option(
    "--url",
    envvar="FLOWTRAIL_COLLECTOR_URL",
    default=DEFAULT_URL,
    show_envvar=True,
    show_default=True,
    help="Where the collector listens.",
)
_TOKEN = click.option(
    "--token", envvar="FLOWTRAIL_TOKEN", show_envvar=True, help="Access token of the collector."
)
_COLLECTOR = stacked((url_option, _TOKEN, json_option))


class CollectorClient:
    """Reads the JSON API and turns whatever goes wrong into one clear line.

    Args:
        url: Base URL of the collector.
        token: Bearer token, None for none.
        transport: Another httpx transport, for tests.
        option: Where the URL was given, for messages.
        timeout_seconds: How long an answer may take.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        option: str = "--url",
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._option = option
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            # The collector is next door: a proxy from the environment would only get in the way.
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout_seconds,
                transport=transport,
                trust_env=False,
                verify=_trusted(),
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Failure(f"{option} {url!r} is not a URL: {error}", EXIT_USAGE) from error

    @property
    def _named(self) -> str:
        return "--url or FLOWTRAIL_COLLECTOR_URL" if self._option == "--url" else self._option

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded JSON of one GET request.

        Args:
            path: Path such as `/api/v1/lag`.
            params: Query; None values are left out.

        Raises:
            Failure: Not found (exit code 1), refused (2), unreachable or broken (3).
        """
        query = {name: value for name, value in (params or {}).items() if value is not None}
        return self._asked("GET", path, params=query)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        write_token: str | None = None,
    ) -> Any:
        """The decoded JSON of one POST request, sent with a write token, by default `FLOWTRAIL_WRITE_TOKEN`.

        Args:
            path: Path such as `/api/v1/dead-letters/redrive`.
            body: What is sent as JSON.
            timeout_seconds: How long an answer may take.
            write_token: Instead of the variable's.

        Raises:
            Failure: Not found (exit code 1), refused (2), unreachable or broken (3).
        """
        token = write_token or os.environ.get("FLOWTRAIL_WRITE_TOKEN", "").strip()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self._asked("POST", path, json=dict(body), headers=headers, timeout=timeout_seconds)

    def _asked(self, method: str, path: str, **values: Any) -> Any:
        try:
            response = self._http.request(method, path, **values)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise Failure(f"{self._option} {self.url!r} is not an HTTP URL", EXIT_USAGE) from error
        except httpx.HTTPError as error:
            raise Failure(
                f"no collector answers at {self.url} ({error}); start one with `flowtrail collector run`, "
                f"or name it with {self._named}",
                EXIT_UNREACHABLE,
            ) from error
        return self._decoded(response)

    def _decoded(self, response: httpx.Response) -> Any:
        try:
            body = response.json()
        except ValueError:
            raise Failure(
                f"{self.url} is not a flowtrail collector (HTTP {response.status_code})", EXIT_UNREACHABLE
            ) from None
        if response.is_success:
            return body
        message = body.get("error") if isinstance(body, dict) else None
        if response.status_code == 404 and message is None:  # of another service, a registry's for one
            raise Failure(f"{self.url} is not a flowtrail collector (HTTP 404)", EXIT_UNREACHABLE)
        text = str(message or f"the collector answered HTTP {response.status_code}")
        if response.status_code == 404:
            raise Failure(text, EXIT_FINDINGS)
        raise Failure(text, EXIT_USAGE if response.is_client_error else EXIT_UNREACHABLE)


def _trusted() -> ssl.SSLContext | bool:
    """The system's authorities, and those in the file that FLOWTRAIL_CA_FILE names."""
    path = os.environ.get("FLOWTRAIL_CA_FILE")
    if not path:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        raise Failure(f"FLOWTRAIL_CA_FILE {path}: {error.strerror or error}", EXIT_USAGE) from error
    return context


def collector_options(command: F) -> F:
    """Adds `--url`, `--token`, `--json`; the command receives `client: CollectorClient`, `as_json: bool`."""

    @wraps(command)
    def with_client(*args: Any, url: str, token: str | None, **kwargs: Any) -> Any:
        client = CollectorClient(url, token)
        click.get_current_context().call_on_close(client.close)
        return command(*args, client=client, **kwargs)

    return cast("F", _COLLECTOR(with_client))
