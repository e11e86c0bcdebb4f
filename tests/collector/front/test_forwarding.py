"""What the reading process hands on arrives as if it had come straight, and so does the answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.front.forwarding import Forwarding, TakingIn
from flowtrail_collector.web.server import WebServer, listen
from waiting import scaled

pytestmark = pytest.mark.slow(3)

# Names that are of one connection, and what the servers of both connections set themselves.
OWN = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
TOKEN = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in OWN | {"content-length", "host", "expect", "upgrade", "te", "trailer"}
)
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)
TARGET = st.builds(
    lambda parts, query: "/" + "/".join(parts) + query,
    st.lists(
        st.from_regex(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,8}", fullmatch=True), max_size=4
    ),
    st.sampled_from(["", "?", "?a=1&b=%2F", "?q=%E2%82%AC+x", "?a=b?c/d"]),
).filter(lambda target: not target.startswith("//"))


async def echo(scope, receive, send):
    """Tells what came, in the body and in the answer's own headers."""
    request = Request(scope, receive)
    body = await request.body()
    told = {
        "method": request.method,
        "target": [scope["raw_path"].decode(), scope["query_string"].decode()],
        "scheme": scope["scheme"],
        "client": list(scope["client"])[:1],
        "headers": [
            [name.decode(), value.decode("latin-1")]
            for name, value in scope["headers"]
            if name.decode() not in OWN
        ],
        "body": body.hex(),
    }
    response = Response(json.dumps(told), int(request.headers.get("want-status", 200)))
    for cookie in ("a=1", "b=2"):
        response.headers.append("set-cookie", cookie)
    await response(scope, receive, send)


@contextlib.contextmanager
def serving(app, listener):
    server, ready = WebServer(app, listener, at_end=getattr(app, "aclose", None)), threading.Event()
    thread = threading.Thread(target=server.run, kwargs={"on_ready": ready.set}, daemon=True)
    thread.start()
    assert ready.wait(scaled(10))
    try:
        yield
    finally:
        server.stop()
        thread.join(scaled(10))
        listener.close()


@contextlib.contextmanager
def behind(folder, app=echo):
    """The two ends: the port of a server that hands on, and of one that `app` is asked at directly."""
    path = str(folder / "behind")
    private = socket.socket(socket.AF_UNIX)
    private.bind(path)
    private.listen()
    front, straight = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    with serving(TakingIn(app), private), serving(Forwarding(path), front), serving(app, straight):
        yield front.getsockname()[1], straight.getsockname()[1]


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    with behind(tmp_path_factory.mktemp("forwarding")) as found:
        yield found


def asked(port, method, target, headers, body, chunked=False):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scaled(20))
    with contextlib.closing(connection):
        given_body = iter([body[:7], body[7:]]) if chunked else body
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "collector.example:8090")
        for name, value in headers:
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(given_body if chunked else body or None, encode_chunked=chunked)
        answer = connection.getresponse()
        text = answer.read()
        shown = sorted(
            (name.lower(), value) for name, value in answer.getheaders() if name.lower() not in OWN
        )
        return answer.status, shown, json.loads(text) if text else None


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]),
    TARGET,
    st.lists(st.tuples(TOKEN, TEXT), max_size=5),
    st.binary(max_size=40),
    st.booleans(),
    st.sampled_from([200, 202, 303, 404, 503]),
)
def test_nothing_is_lost_or_changed_on_the_way(ports, method, target, headers, body, chunked, status):
    if method in ("GET", "HEAD", "OPTIONS"):
        body, chunked = b"", False
    headers = [*headers, ("want-status", str(status))]
    through, straight = (asked(port, method, target, headers, body, chunked) for port in ports)
    assert through == straight
    assert through[0] == status


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_any_size(ports, size, chunked):
    body = os.urandom(size)
    _, _, told = asked(ports[0], "POST", "/v1/traces", [], body, chunked)
    assert bytes.fromhex(told["body"]) == body


def test_nobody_can_claim_to_be_somebody_else(ports):
    claim = [("X-Flowtrail-Asked-By", "https 10.9.8.7 1"), ("x-flowtrail-asked-by", "nonsense")]
    _, _, told = asked(ports[0], "GET", "/metrics", claim, b"")
    assert (told["scheme"], told["client"]) == ("http", ["127.0.0.1"])
    assert "x-flowtrail-asked-by" not in dict(told["headers"])


def test_an_answer_comes_piece_by_piece(tmp_path):
    """A scrape of many megabytes is never there as a whole; who goes early ends it."""
    gone = threading.Event()

    async def slow(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    with behind(tmp_path, slow) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scaled(20))
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            with contextlib.closing(connection.getresponse()) as answer:
                assert answer.read(5) == b"first"
                assert not gone.is_set()
        assert gone.wait(scaled(20))


def test_without_the_other_process_it_says_to_come_back(tmp_path):
    front = listen("127.0.0.1", 0)
    with serving(Forwarding(str(tmp_path / "nobody")), front):
        port = front.getsockname()[1]
        status, headers, told = asked(port, "POST", "/v1/traces", [], b"spans")
    assert (status, dict(headers)["retry-after"]) == (503, "1")
    assert "ask again" in told["error"]
