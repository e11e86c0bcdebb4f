"""The sending side of OTLP/HTTP, for whatever signal."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable, Mapping
from typing import Literal

import httpx
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.util.re import parse_env_headers

__all__ = ["SCOPE", "OtlpSender", "attributes_of", "headers_of"]

SCOPE = "flowtrail_collector"
"""Name of the instrumentation scope of what the collector sends."""
_TIMEOUT_SECONDS = 10.0


class OtlpSender:
    """Sends requests to one OTLP/HTTP receiver, as protobuf in gzip.

    Args:
        endpoint: Base URL of the receiver, or the whole address ending in `/v1/` and the signal.
        signal: What the requests hold.
        what: The same for people, in the plural.
        logger: Told when the receiver goes away and when it is back.
        headers: Sent along (authorisation); never logged.
        transport: Another httpx transport, for tests.
    """

    def __init__(
        self,
        endpoint: str,
        signal: Literal["metrics", "traces"],
        *,
        what: str,
        logger: logging.Logger,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._address = f"{endpoint.rstrip('/').removesuffix(f'/v1/{signal}')}/v1/{signal}"
        self._what = what
        self._logger = logger
        self._problem: str | None = None
        self._client = httpx.Client(
            headers={"content-type": "application/x-protobuf", "content-encoding": "gzip", **(headers or {})},
            timeout=_TIMEOUT_SECONDS,
            transport=transport,
        )

    def send(self, requests: Iterable[Message]) -> bool:
        """Send requests, up to the first that isn't taken.

        Returns:
            Whether the receiver took them all; the reason is logged once, until it works again.
        """
        problem = None
        try:
            for request in requests:
                body = gzip.compress(request.SerializeToString(), 1)
                self._client.post(self._address, content=body).raise_for_status()
        except httpx.HTTPStatusError as error:
            problem = f"HTTP {error.response.status_code}"
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        if problem is not None and self._problem is None:
            self._logger.warning("%s can't be pushed to %s: %s", self._what, self._address, problem)
        elif problem is None and self._problem is not None:
            self._logger.info("%s are pushed to %s again", self._what, self._address)
        self._problem = problem
        return problem is None


def headers_of(environ: Mapping[str, str], signal: str = "METRICS") -> dict[str, str]:
    """The headers that OpenTelemetry's standard variables ask for: those of a signal, else those of all."""
    text = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_HEADERS") or environ.get(
        "OTEL_EXPORTER_OTLP_HEADERS", ""
    )
    return dict(parse_env_headers(text, liberal=True))


def attributes_of(texts: Mapping[str, str]) -> list[KeyValue]:
    """Attributes with texts as values."""
    return [KeyValue(key=name, value=AnyValue(string_value=text)) for name, text in texts.items()]
