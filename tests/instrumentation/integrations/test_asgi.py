"""The ASGI middleware under FastAPI, Starlette and Django: one request, one flow, one trace."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import django
import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import flowtrail
from flowtrail.integrations._request import flow_of, in_ascii
from flowtrail.integrations.asgi import FlowtrailMiddleware, outgoing_headers
from flowtrail.testing import Capture, MemoryBroker, MemoryClient

TRACE, PARENT = "ab" * 16, "cd" * 8
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Desk:
    """A service whose trail is in memory."""

    def __init__(self) -> None:
        self.capture = Capture("orders", 0)
        self.memory = MemoryBroker()
        self.trail = flowtrail.Trail(
            "orders",
            tracer_provider=self.capture.tracer_provider,
            registry=self.capture.registry,
            client=MemoryClient(self.memory),
        )

    def place(self) -> None:
        """Publish two events, as an endpoint does."""
        self.trail.publish("orders", {}, type="OrderPlaced", subject="o-1")
        self.trail.publish("orders", {}, type="OrderNoted", subject="o-1")

    def published(self) -> list[dict[str, str]]:
        return [
            {name: (value or b"").decode() for name, value in record.headers}
            for record in self.memory.records("orders")
        ]

    def server_span(self) -> Any:
        (found,) = [span for span in self.capture.spans if span.kind is trace.SpanKind.SERVER]
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def fastapi_app(desk: Desk) -> Any:
    app = FastAPI()

    @app.post("/orders/{number}")
    def place(number: int) -> dict[str, int]:
        desk.place()
        return {"number": number}

    @app.post("/broken/{number}")
    async def broken(number: int) -> None:
        raise LookupError(str(number))

    app.add_middleware(FlowtrailMiddleware, trail=desk.trail)
    return app


def starlette_app(desk: Desk) -> Any:
    async def place(request: Any) -> Any:
        await run_in_threadpool(desk.place)
        return JSONResponse({"number": request.path_params["number"]})

    async def broken(request: Any) -> Any:
        raise LookupError

    app = Starlette(
        routes=[
            Route("/orders/{number:int}", place, methods=["POST"]),
            Route("/broken/{number:int}", broken, methods=["POST"]),
        ]
    )
    app.add_middleware(FlowtrailMiddleware, trail=desk.trail)
    return app


def django_app(desk: Desk) -> Any:
    def place(request: Any, number: int) -> HttpResponse:
        desk.place()
        return JsonResponse({"number": number})

    def broken(request: Any, number: int) -> HttpResponse:
        raise LookupError

    class Urls:
        urlpatterns = [path("orders/<int:number>", place), path("broken/<int:number>", broken)]  # noqa: RUF012

    if not settings.configured:
        settings.configure(USE_TZ=True, LOGGING_CONFIG=None)
        django.setup()
    with override_settings(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        handler = ASGIHandler()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with override_settings(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["*"]):
                await handler(scope, receive, send)

    return FlowtrailMiddleware(app, desk.trail)


APPS = {"fastapi": fastapi_app, "starlette": starlette_app, "django": django_app}


@pytest.fixture(params=list(APPS.values()), ids=list(APPS))
def client(request: pytest.FixtureRequest, desk: Desk) -> TestClient:
    return TestClient(request.param(desk), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("given", "correlation", "causation"),
    [
        ({"x-correlation-id": "flow-1"}, "flow-1", None),
        ({"X-Correlation-ID": "flow-1", "x-causation-id": "e-0"}, "flow-1", "e-0"),
        ({"ce-correlationid": "flow-1", "ce-id": "e-0"}, "flow-1", "e-0"),
        ({"correlation_id": "flow-1"}, "flow-1", None),
        ({"x-correlation-id": "flow-1", "correlation-id": "other"}, "flow-1", None),
        ({}, None, None),
        ({"x-correlation-id": "x" * 300}, None, None),
        ({"x-correlation-id": ""}, None, None),
        ({"x-correlation-id": "50%25"}, "50%25", None),
        ({"x-correlation-id": "%C3%96RD-1"}, "%C3%96RD-1", None),
    ],
)
def test_what_a_request_publishes_is_one_flow(
    client: TestClient, desk: Desk, given: Any, correlation: str | None, causation: str | None
) -> None:
    answer = client.post("/orders/7", headers=given)
    assert (answer.status_code, answer.json()) == (200, {"number": 7})
    published = desk.published()
    assert len(published) == 2
    flow = answer.headers["x-correlation-id"]
    assert {in_ascii(event["ce_correlationid"]) for event in published} == {flow}
    assert {event.get("ce_causationid") for event in published} == {causation}
    assert correlation in (None, flow)
    assert uuid.UUID(flow).version == 7 if correlation is None else True


@pytest.mark.parametrize("given", [TRACEPARENT, None, "00-nonsense"])
def test_the_callers_trace_goes_on_below_a_span_of_the_request(
    client: TestClient, desk: Desk, given: str | None
) -> None:
    answer = client.post("/orders/7", headers={} if given is None else {"traceparent": given})
    span = desk.server_span()
    sent = [span for span in desk.capture.spans if span.kind is trace.SpanKind.PRODUCER]
    assert [found.parent.span_id for found in sent] == [span.context.span_id] * 2
    assert {found.context.trace_id for found in sent} == {span.context.trace_id}
    if given == TRACEPARENT:
        assert f"{span.context.trace_id:032x}-{span.parent.span_id:016x}" == f"{TRACE}-{PARENT}"
    else:
        assert span.parent is None
    said = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert answer.headers["traceresponse"].startswith(said)
    assert span.attributes["http.request.method"] == "POST"
    assert span.attributes["url.path"] == "/orders/7"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["messaging.message.conversation_id"] == answer.headers["x-correlation-id"]
    assert span.status.is_ok or span.status.status_code is trace.StatusCode.UNSET


# Django leaves the file of a request's body to the garbage collector when a view fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_request_that_fails_has_a_failed_span(client: TestClient, desk: Desk) -> None:
    assert client.post("/broken/7").status_code == 500
    span = desk.server_span()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"] in ("LookupError", "500")


@pytest.mark.parametrize("make", [fastapi_app])
def test_the_span_is_named_by_the_route_not_by_the_path(desk: Desk, make: Callable[[Desk], Any]) -> None:
    TestClient(make(desk)).post("/orders/7")
    assert desk.server_span().name == "POST /orders/{number}"


def test_a_span_that_is_there_already_stays(desk: Desk) -> None:
    """As with OpenTelemetry's own middleware outside of this one."""
    app = starlette_app(desk)
    tracer = desk.capture.tracer_provider.get_tracer("theirs")

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("theirs", kind=trace.SpanKind.SERVER):
            await app(scope, receive, send)

    TestClient(outer).post("/orders/7", headers={"traceparent": TRACEPARENT, "x-correlation-id": "flow-1"})
    span = desk.server_span()
    assert span.name == "theirs"
    sent = [found for found in desk.capture.spans if found.kind is trace.SpanKind.PRODUCER]
    assert [found.parent.span_id for found in sent] == [span.context.span_id] * 2
    assert {event["ce_correlationid"] for event in desk.published()} == {"flow-1"}


def test_strangers_are_not_believed_where_they_are_not_trusted(desk: Desk) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        desk.place()
        await PlainTextResponse("")(scope, receive, send)

    client = TestClient(FlowtrailMiddleware(app, desk.trail, trusted=False))
    answer = client.get("/", headers={"x-correlation-id": "flow-1", "traceparent": TRACEPARENT})
    assert {event["ce_correlationid"] for event in desk.published()} == {answer.headers["x-correlation-id"]}
    assert answer.headers["x-correlation-id"] != "flow-1"
    assert TRACE not in answer.headers["traceresponse"]


def test_another_name_for_the_header_and_what_the_application_says_itself(desk: Desk) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("", headers={"traceresponse": "theirs"})(scope, receive, send)

    client = TestClient(FlowtrailMiddleware(app, desk.trail, header="X-Request-Flow"))
    answer = client.get("/", headers={"x-request-flow": "flow-1"})
    assert answer.headers["x-request-flow"] == "flow-1"
    assert answer.headers.get_list("traceresponse") == ["theirs"]


def test_websockets_background_tasks_and_mounts_are_in_the_flow(desk: Desk) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        desk.place()
        await websocket.send_text("placed")
        await websocket.close()

    async def later(request: Any) -> Any:
        return PlainTextResponse("", background=BackgroundTask(desk.place))

    app = Starlette(routes=[Mount("/shop", routes=[WebSocketRoute("/talk", talk), Route("/later", later)])])
    app.add_middleware(FlowtrailMiddleware, trail=desk.trail)
    client = TestClient(app)
    with client.websocket_connect("/shop/talk", headers={"x-correlation-id": "flow-1"}) as socket:
        assert socket.receive_text() == "placed"
    client.get("/shop/later", headers={"x-correlation-id": "flow-2"})
    assert [event["ce_correlationid"] for event in desk.published()] == ["flow-1"] * 2 + ["flow-2"] * 2


def test_what_one_service_gives_another_takes(desk: Desk) -> None:
    other = Desk()
    far = TestClient(starlette_app(other))
    desk.memory.append("inventory", None, b"{}", [("ce_id", b"e-1"), ("ce_correlationid", b"flow-1")])
    (record,) = desk.memory.records("inventory")
    with desk.trail.process(record):
        given = {"accept": "application/json", "X-Correlation-ID": "stale"}
        headers = outgoing_headers(given)
    assert given == {"accept": "application/json", "X-Correlation-ID": "stale"}
    assert headers["accept"] == "application/json"
    assert far.post("/orders/7", headers=headers).headers["x-correlation-id"] == "flow-1"
    (event, _) = other.published()
    assert (event["ce_correlationid"], event["ce_causationid"]) == ("flow-1", "e-1")
    process = next(span for span in desk.capture.spans if span.name == "process inventory")
    assert other.server_span().parent.span_id == process.context.span_id


@pytest.mark.parametrize("value", [b"\xff\xfe", b"%FF", b"a\r\nb", b""])
def test_what_is_no_text_is_not_taken(value: bytes) -> None:
    found = flow_of([(b"x-correlation-id", value)], Desk().trail.telemetry, "x-correlation-id")
    assert found.correlation_id is None


def test_an_id_beyond_ascii_comes_back_as_it_was(desk: Desk) -> None:
    desk.memory.append("inventory", None, b"{}", [("ce_correlationid", "ÖRD 1%".encode())])
    with desk.trail.process(desk.memory.records("inventory")[0]):
        given = outgoing_headers()["x-correlation-id"]
    assert given.isascii()
    found = flow_of([(b"x-correlation-id", given.encode())], desk.trail.telemetry, "x-correlation-id")
    assert found.correlation_id == "ÖRD 1%"


def test_outside_a_flow_there_is_nothing_to_give() -> None:
    assert outgoing_headers({"accept": "*/*"}) == {"accept": "*/*"}


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("billing",), {}, r"takes the service's Trail, not str"),
        ((Desk().trail,), {"header": "x correlation"}, r"name of an HTTP header"),
        ((Desk().trail,), {"header": ""}, r"name of an HTTP header"),
    ],
)
def test_wrong_settings_are_refused(arguments: Any, settings: Any, says: str) -> None:
    with pytest.raises(flowtrail.ConfigurationError, match=says):
        FlowtrailMiddleware(httpx.ASGITransport, *arguments, **settings)  # type: ignore[arg-type]
