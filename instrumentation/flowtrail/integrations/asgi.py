"""HTTP applications on ASGI: Starlette, FastAPI, Django, Litestar, Quart.

app.add_middleware(FlowtrailMiddleware, trail=trail)              # Starlette, FastAPI
application = FlowtrailMiddleware(get_asgi_application(), trail)  # Django's asgi.py
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from flowtrail._context import FlowContext, get_current
from flowtrail._telemetry.spans import parent_in
from flowtrail.errors import ConfigurationError
from flowtrail.integrations._carried import joined
from flowtrail.integrations._request import (
    CORRELATION_HEADER,
    RequestSpan,
    flow_of,
    in_ascii,
    in_flow,
    outgoing_headers,
)
from flowtrail.wire.tracecontext import format_traceparent

if TYPE_CHECKING:
    from flowtrail._trail import Trail

__all__ = ["FlowtrailMiddleware", "outgoing_headers"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

_STARTS = ("http.response.start", "websocket.accept")


class FlowtrailMiddleware:
    """Puts each request into a flow: what it publishes has one correlation id and one trace.

    The correlation id comes from the request (`x-correlation-id`, CloudEvents' `ce-correlationid`, then
    `Trail(correlation_aliases=)`), or is new; `traceparent` is taken likewise. Both are in the response, as
    `x-correlation-id` and `traceresponse`. Where no span is current yet, the request gets a SERVER span: put
    this middleware inside OpenTelemetry's own, if you use that.

    Args:
        app: The application.
        trail: The service's trail.
        header: The name under which the correlation id comes and goes.
        trusted: False takes nothing from requests, for applications that strangers can reach: a stranger could
            otherwise put an order into somebody else's flow. The response says the ids all the same.

    Raises:
        ConfigurationError: `trail` isn't a `Trail`, or the header's name isn't one.
    """

    def __init__(
        self, app: App, trail: Trail, *, header: str = CORRELATION_HEADER, trusted: bool = True
    ) -> None:
        if not hasattr(trail, "telemetry"):
            raise ConfigurationError(
                f"FlowtrailMiddleware takes the service's Trail, not {type(trail).__name__}: "
                "app.add_middleware(FlowtrailMiddleware, trail=trail)"
            )
        if not header or not header.isascii() or not header.replace("-", "").replace("_", "").isalnum():
            raise ConfigurationError(f"header is {header!r}, should be the name of an HTTP header")
        self._app = app
        self._trail = trail
        self._header = header.lower()
        self._trusted = trusted

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = self._begin(scope)
        if request is None:
            await self._app(scope, receive, send)
            return
        token = otel_context.attach(request.context)
        error: BaseException | None = None
        try:
            await self._app(scope, receive, self._answering(request, send))
        except BaseException as raised:
            error = raised
            raise
        finally:
            otel_context.detach(token)
            self._end(request, scope, error)

    def _begin(self, scope: Any) -> RequestSpan | None:
        telemetry = self._trail.telemetry
        try:
            headers = scope.get("headers", ()) if self._trusted else ()
            traced = parent_in(get_current()) is not None
            context = joined(flow_of(headers, telemetry, self._header), telemetry.ids.new_id())
            return RequestSpan(telemetry, FlowContext(context), scope, traced)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("request", failure)
            return None

    def _end(self, request: RequestSpan, scope: Any, error: BaseException | None) -> None:
        try:
            request.end(scope, error)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self._trail.telemetry.internal_error("request", failure)

    def _answering(self, request: RequestSpan, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] in _STARTS:
                request.answered(int(message.get("status", 101)))
                message = {**message, "headers": [*message.get("headers", ()), *self._said(request, message)]}
            await send(message)

        return answer

    def _said(self, request: RequestSpan, message: Message) -> list[tuple[bytes, bytes]]:
        """The response headers that the application hasn't set itself."""
        given = {bytes(name).lower() for name, _ in message.get("headers", ())}
        said = [(self._header.encode(), in_ascii(in_flow(request.context)).encode())]
        span = parent_in(request.context)
        if span is not None:
            said.append((b"traceresponse", format_traceparent(span)))
        return [(name, value) for name, value in said if name not in given]
