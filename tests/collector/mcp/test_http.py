"""MCP over HTTP: who may connect, under which names, and whose write token counts; and what the command refuses."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from flowtrail_collector.cli import main
from flowtrail_collector.mcp.http import PATH, http_app
from flowtrail_collector.mcp.server import build_server
from flowtrail_collector.web.server import WebServer, listen, url_of
from waiting import scaled

TOKEN, WRITE = "c" * 20, "w" * 24
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}  # fmt: skip
HEADERS = {"accept": "application/json, text/event-stream"}
pytestmark = pytest.mark.slow


class Recording:
    """A collector that keeps what it was sent."""

    def __init__(self):
        self.sent = []

    def get(self, path, params=None):
        return {"total": 2, "as_of": 7, "by_error": [], "by_target": [], "refused": []}

    def post(self, path, body, write_token):
        self.sent.append((path, body, write_token))
        return {"id": "job", "state": "running", "total": 2, "redriven": 0, "quarantined": 0, "refused": 0,
                "by": body["by"]}  # fmt: skip


@contextlib.contextmanager
def serving(collector, *, token=None, hosts=(), origins=(), local=True):
    # The server's own write token must not count here: whoever reaches the port isn't who started it.
    server = build_server(collector, "1", WRITE)
    app = http_app(server, local=local, token=token, hosts=hosts, origins=origins)
    listener = listen("127.0.0.1", 0)
    web = WebServer(app, listener, lifespan=True)
    ready = threading.Event()
    thread = threading.Thread(target=web.run, kwargs={"on_ready": ready.set}, daemon=True)
    thread.start()
    assert ready.wait(scaled(5))
    try:
        yield url_of(listener) + PATH
    finally:
        web.stop()
        thread.join(scaled(10))
        listener.close()


def status(url, **headers):
    return httpx.post(url, json=HELLO, headers={**HEADERS, **headers}, timeout=scaled(10)).status_code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"host": "localhost:8091"}, 200),
        ({"host": "evil.example.com"}, 421),  # a foreign name made to point here
        ({"host": "127.0.0.1.evil.example.com"}, 421),
        ({"host": "mcp.example.com"}, 200),
        ({"host": "mcp.example.com:443"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 403),  # another program's page on this machine
        ({"origin": "https://chat.example.com"}, 200),
        ({"content-type": "text/plain"}, 400),
    ],
)
def test_hosts_and_origins(headers, expected):
    with serving(Recording(), hosts=["mcp.example.com"], origins=["https://chat.example.com"]) as url:
        assert status(url, **headers) == expected


def test_loopback_names_are_no_hosts_where_others_connect():
    with serving(Recording(), token=TOKEN, hosts=["mcp.example.com"], local=False) as url:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert status(url, **bearer) == 421
        assert status(url, **bearer, host="mcp.example.com") == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, 401), (TOKEN, 200), (TOKEN[:-1], 401), (TOKEN + "c", 401), ("x", 401), (WRITE, 401)],
)
def test_a_token_of_its_own(given, expected):
    headers = {} if given is None else {"authorization": f"Bearer {given}"}
    with serving(Recording(), token=TOKEN) as url:
        assert status(url, **headers) == expected


def redrive(url, **headers):
    async def ask():
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            arguments = {"group": "billing", "expected_total": 2, "as_of": 7, "asked_by": "Ann"}
            return await client.list_tools(), await client.call_tool("redrive", arguments)

    return asyncio.run(ask())


def test_a_write_takes_the_callers_own_write_token():
    collector = Recording()
    with serving(collector, token=TOKEN) as url:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        tools, refused = redrive(url, **bearer)
        assert {tool.name: tool.annotations.read_only_hint for tool in tools.tools}["redrive"] is False
        assert all(tool.output_schema for tool in tools.tools)
        assert refused.is_error
        assert "Flowtrail-Write-Token" in refused.content[0].text
        assert collector.sent == []
        _, done = redrive(url, **bearer, **{"Flowtrail-Write-Token": "theirs"})
        assert not done.is_error, done.content
    body = {"group": "billing", "expected_total": 2, "as_of": 7, "by": "mcp 127.0.0.1 mcp for Ann"}
    assert collector.sent == [("/api/v1/dead-letters/redrive", body, "theirs")]


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--listen", "0.0.0.0:0"], {}, "can be reached from other machines: set a token"),
        (["--listen", "0.0.0.0:0"], {"FLOWTRAIL_MCP_TOKEN": TOKEN}, "say with --allow-host which one"),
        (["--listen", "127.0.0.1:0"], {"FLOWTRAIL_MCP_TOKEN": "short"}, "the token is too short"),
        (["--listen", "nonsense"], {}, "--listen takes HOST:PORT"),
        (["--allow-host", "x"], {}, "need --listen"),
        (["--client-token-file", "x"], {}, "need --listen"),
        (["--listen", "127.0.0.1:0", "--write-token-file", "x"], {}, "clients send the write token"),
        (["--token-file", "nowhere"], {}, "--token-file nowhere can't be read"),
        (["--write-token-file", "nowhere"], {}, "--write-token-file nowhere can't be read"),
        (["--url", "http://[::1"], {}, "is not a URL"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, variables, said, capsys, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["mcp", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.startswith("flowtrail: ")
    assert printed.err.count("\n") == 1
