"""`POST /orders`, `GET /orders/{id}`, `GET /healthz`."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import flowtrail
from orderflow.kernel import DomainError
from orderflow.orders.adapters.event_store import EventStore
from orderflow.orders.adapters.reading import MAX_BODY_BYTES, BadRequestError, read_command
from orderflow.orders.application import place_order
from orderflow.orders.domain import Catalogue, Order
from orderflow.platform import Service


def build_app(service: Service, catalogue: Catalogue) -> Starlette:
    """The HTTP side of Order Management."""
    endpoints = _Endpoints(service, catalogue)
    return Starlette(
        routes=[
            Route("/orders", endpoints.place, methods=["POST"]),
            Route("/orders/{order_id}", endpoints.show, methods=["GET"]),
            Route("/healthz", _healthz, methods=["GET"]),
        ]
    )


class _Endpoints:
    def __init__(self, service: Service, catalogue: Catalogue) -> None:
        self._service = service
        self._catalogue = catalogue

    async def place(self, request: Request) -> Response:
        """Place an order; 201 with its id and the correlation id of its flow."""
        # The caller's trace goes on; the flow is always a new one, however often a caller sends the same id.
        correlation_id = str(uuid.uuid4())
        headers = {"ce_correlationid": correlation_id}
        if "traceparent" in request.headers:
            headers["traceparent"] = request.headers["traceparent"]
        with flowtrail.restore(flowtrail.extract(headers)):
            return await self._in_span(request, correlation_id)

    async def _in_span(self, request: Request, correlation_id: str) -> Response:
        tracer = self._service.trail.telemetry.tracer
        with tracer.start_as_current_span(
            "POST /orders", kind=SpanKind.SERVER, attributes=_attributes(request, correlation_id)
        ) as span:
            try:
                order = await self._place(await _body(request))
            except BadRequestError as error:
                span.set_attribute("http.response.status_code", error.status)
                return JSONResponse({"error": str(error)}, error.status)
            except Exception as error:
                span.set_attribute("http.response.status_code", 500)
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise
            span.set_attribute("http.response.status_code", 201)
            span.set_attribute("order.id", order.order_id)
            return JSONResponse(
                {
                    "order_id": order.order_id,
                    "correlation_id": correlation_id,
                    "status": order.status.value,
                    "total_cents": order.total.cents,
                },
                201,
                headers={"Location": f"/orders/{order.order_id}"},
            )

    async def _place(self, body: bytes) -> Order:
        command = read_command(body)

        def work() -> Order:
            with self._service.unit() as unit:
                orders = EventStore(unit.connection, self._service.settings.namespace)
                order, events = place_order(command, orders, self._catalogue)
                unit.publish(events)
                return order

        try:
            return await run_in_threadpool(work)
        except DomainError as error:
            raise BadRequestError(422, str(error)) from None

    async def show(self, request: Request) -> Response:
        """Show an order."""
        order_id = request.path_params["order_id"]

        def work() -> Order | None:
            with self._service.unit() as unit:
                return EventStore(unit.connection).get(order_id)

        order = await run_in_threadpool(work)
        if order is None:
            return JSONResponse({"error": "there is no such order"}, 404)
        return JSONResponse(_shown(order))


def _shown(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "status": order.status.value,
        "version": order.version,
        "lines": [asdict(line) for line in order.lines],
        "total_cents": order.total.cents,
        "reason": order.reason,
        "tracking_number": order.tracking_number,
    }


def _attributes(request: Request, correlation_id: str) -> dict[str, str | int]:
    """HTTP server attributes of OpenTelemetry's semantic conventions, 1.41."""
    attributes: dict[str, str | int] = {
        "http.request.method": "POST",
        "http.route": "/orders",
        "url.path": "/orders",
        "url.scheme": request.url.scheme,
        "network.protocol.version": request.scope.get("http_version", "1.1"),
        "messaging.message.conversation_id": correlation_id,
    }
    if server := request.scope.get("server"):
        attributes["server.address"] = server[0]
        if server[1] is not None:
            attributes["server.port"] = server[1]
    if request.client is not None:
        attributes["client.address"] = request.client.host
    if agent := request.headers.get("user-agent"):
        attributes["user_agent.original"] = agent[:200]
    return attributes


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
