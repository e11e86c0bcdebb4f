"""Who may read, who may write, and from where."""

from __future__ import annotations

import base64
import logging

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.callers import actor_of, remote_of
from flowtrail_collector.web.form_tokens import FormTokens

READ, WRITE = "r" * 20, "w" * 24
LOCAL = "http://127.0.0.1:8090"


def client(*, token=None, write_token=None, local=True, url=LOCAL):
    def read(request):
        return PlainTextResponse("read")

    def write(request):
        return PlainTextResponse(f"{actor_of(request, 'claimed')} {remote_of(request)}")

    routes = [
        Route("/", read, methods=["GET"]),
        Route("/write", write, methods=["POST", "PUT", "DELETE"]),
        Route("/v1/traces", read, methods=["POST"]),
        Route("/healthz", read, methods=["GET"]),
    ]
    app = build_app(
        routes, token=token, write_token=write_token, local=local, on_error=lambda part, error: None
    )
    return TestClient(app, base_url=url)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(user, token):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


@pytest.mark.parametrize(
    ("token", "write_token", "given", "read", "write"),
    [
        # nothing set, reached from this machine only
        (None, None, None, 200, 200),
        # a token for reading doesn't write
        (READ, None, READ, 200, 403),
        (READ, None, None, 401, 401),
        (READ, WRITE, None, 401, 401),
        (READ, WRITE, READ, 200, 401),
        (READ, WRITE, WRITE, 200, 200),
        (READ, WRITE, WRITE + "x", 401, 401),
        (READ, WRITE, WRITE[:-1], 401, 401),
        (READ, WRITE, "", 401, 401),
        # everybody reads, not everybody writes
        (None, WRITE, None, 200, 401),
        (None, WRITE, WRITE, 200, 200),
        (None, WRITE, READ, 200, 401),
    ],
)
def test_rights(token, write_token, given, read, write):
    asks = client(token=token, write_token=write_token)
    headers = {} if given is None else bearer(given)
    assert asks.get("/", headers=headers).status_code == read
    for method in ("POST", "PUT", "DELETE"):
        assert asks.request(method, "/write", headers=headers).status_code == write
    if given:
        assert asks.post("/write", headers=basic("ann", given)).status_code == write


def test_beyond_this_machine_nobody_writes_without_the_write_token():
    assert client(local=False).post("/write").status_code == 403
    assert client(local=False).get("/").status_code == 200
    assert client(local=False, write_token=WRITE).post("/write", headers=bearer(WRITE)).status_code == 200


@pytest.mark.parametrize(
    "url", ["http://evil.example", "http://evil.example:8090", "http://127.0.0.1.nip.io"]
)
def test_a_foreign_name_that_points_here_writes_nothing(url):
    """DNS rebinding: for the browser it is one and the same site."""
    assert client(url=url).post("/write").status_code == 403


@pytest.mark.parametrize("url", ["http://localhost:8090", "http://[::1]:8090", "http://127.0.0.1"])
def test_loopback_by_any_of_its_names(url):
    assert client(url=url).post("/write").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": LOCAL}, 200),
        ({"origin": LOCAL}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        # what a page of another site can't fake decides
        ({"sec-fetch-site": "cross-site", "origin": LOCAL}, 403),
    ],
)
def test_writes_come_from_our_own_pages(headers, status):
    asks = client(write_token=WRITE)
    assert asks.post("/write", headers={**bearer(WRITE), **headers}).status_code == status
    assert asks.get("/", headers=headers).status_code == 200


def test_spans_are_sent_with_the_token_for_reading():
    asks = client(token=READ, write_token=WRITE)
    assert asks.post("/v1/traces", headers=bearer(READ)).status_code == 200
    assert asks.post("/v1/traces").status_code == 401
    assert asks.get("/healthz").status_code == 200


def test_browsers_are_asked_for_the_right_token():
    asks = client(token=READ, write_token=WRITE)
    assert 'realm="flowtrail"' in asks.get("/").headers["www-authenticate"]
    refused = asks.post("/write", headers=bearer(READ))
    assert 'realm="flowtrail write"' in refused.headers["www-authenticate"]
    assert "--write-token-file" in refused.json()["error"]


def test_a_missing_token_and_a_wrong_one_read_differently_and_name_the_option():
    asks = client(token=READ, write_token=WRITE)
    said = [
        asks.request(method, path, headers=headers).json()["error"]
        for method, path in (("GET", "/api/v1/status"), ("POST", "/write"))
        for headers in ({}, bearer("x" * 20))
    ]
    said += [asks.post("/write", headers=headers).json()["error"] for headers in (bearer(READ), {})]
    missing, wrong, _, _, other, _ = said
    assert len({missing, wrong, other}) == 3
    assert "FLOWTRAIL_TOKEN" in missing
    assert "--token-file" in wrong
    assert "--write-token-file" in other


def test_the_audit_names_who_wrote():
    asks = client(write_token=WRITE)
    assert asks.post("/write", headers=basic("ann", WRITE)).text == "ann testclient"
    assert asks.post("/write", headers=bearer(WRITE)).text == "claimed testclient"
    long = asks.post("/write", headers=basic("a\x1b[2J" + "n" * 1000, WRITE)).text
    assert long.startswith("a?[2Jnnn")
    assert len(long) < 100


def test_refused_writes_are_logged_without_the_token(caplog):
    caplog.set_level(logging.WARNING, logger="flowtrail_collector.audit")
    client(write_token=WRITE).post("/write", headers=basic("eve", "wrong-token"))
    assert caplog.messages == ["refused POST /write by eve from testclient: HTTP 401"]


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Basic", "Basic !!!", "Basic YQ", "Digest x", "Bearer \xff", "Basic " + "A" * 9]
)
def test_garbage_as_credentials_is_refused(value):
    asks = client(token=READ, write_token=WRITE)
    assert asks.get("/", headers={"authorization": value.encode("latin-1")}).status_code == 401


def test_every_answer_carries_the_security_headers():
    for response in (client().get("/"), client().get("/none"), client(token=READ).get("/")):
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["cache-control"] == "no-store"


def request(cookie=None, scheme="http"):
    headers = [] if cookie is None else [(b"cookie", f"flowtrail_form={cookie}".encode())]
    return Request({"type": "http", "headers": headers, "scheme": scheme, "server": ("h", 1), "path": "/"})


def test_a_forms_token_belongs_to_one_browser_and_one_secret():
    forms = FormTokens("secret")
    value, token = forms.issue(request())
    assert forms.is_valid(request(value), token)
    assert forms.issue(request(value)) == (value, token)
    assert FormTokens("secret").is_valid(request(value), token)
    assert not FormTokens("other").is_valid(request(value), token)
    assert not FormTokens().is_valid(request(value), token)
    assert not forms.is_valid(request(), token)
    assert not forms.is_valid(request(value), None)
    assert not forms.is_valid(request(value), "")
    assert not forms.is_valid(request(value), value)
    assert not forms.is_valid(request("0" * 64), token)


@pytest.mark.parametrize("cookie", ["short", "x" * 65, "é" * 64, ""])
def test_a_strange_cookie_is_replaced(cookie):
    value, _ = FormTokens("secret").issue(request(cookie))
    assert value != cookie
    assert len(value) == 64


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_scripts_and_other_sites_dont_get_the_cookie(scheme, secure):
    response = PlainTextResponse("")
    FormTokens("secret").keep(request(scheme=scheme), response, "v" * 64)
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ("secure" in cookie) is secure
