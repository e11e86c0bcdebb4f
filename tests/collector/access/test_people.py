"""What people who log in may do, and programs with tokens beside them; what the audit says of them."""

from __future__ import annotations

import base64
import logging

import pytest

from accesskit.browsing import HERE, OURS, PAGE, READ, WRITE, bearer, begun, browser, logged_in
from accesskit.issuer import SECRET
from redrivekit.forms import Forms

pytestmark = pytest.mark.slow


def test_what_each_role_may(issuer):
    for groups, read, write, see in (
        (["staff"], 200, 403, 403),
        (["oncall"], 200, 200, 403),
        (["privacy"], 200, 200, 200),
    ):
        client = browser(issuer.login())
        logged_in(client, issuer, groups=groups)
        assert client.get("/sagas", headers=PAGE).status_code == read
        assert client.post("/write", headers=OURS).status_code == write
        answer = client.post("/see", headers=OURS, json={"by": "mallory"})
        assert answer.status_code == see
        if write == 403:
            assert "has the role read: this takes the role write" in client.post("/write", headers=OURS).text
            shown = client.post("/write", headers={**OURS, "accept": "text/html"})
            assert "<h1>Not allowed</h1>" in shown.text
        if see == 200:
            assert answer.json() == "oidc:ann@example.com"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": HERE}, 200),
        ({}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_sessions_writes_come_from_our_own_pages(issuer, headers, status):
    client = browser(issuer.login())
    logged_in(client, issuer, groups=["oncall"])
    assert client.post("/write", headers=headers).status_code == status
    # Logging somebody out from elsewhere doesn't work either.
    assert client.post("/auth/logout", headers=headers).status_code in (
        (303,) if status == 200 else (303, 403)
    )
    if headers:
        assert client.post("/auth/logout", headers=headers).status_code == (303 if status == 200 else 403)


def test_sessions_go_on_elsewhere_and_end_with_their_settings(issuer):
    client = browser(issuer.login())
    logged_in(client, issuer)
    kept = dict(client.cookies)
    name = issuer.login().cookie

    def status(**options):
        other = browser(issuer.login(**options))
        other.cookies.update(kept)
        other.cookies.set(issuer.login(**options).cookie, kept[name])
        return other.get("/sagas", headers=PAGE).status_code

    assert status() == 200
    assert status(secret="x" * 32) == 303
    assert status(settings="other rules") == 303


TYPED = {"value": '{"typed": "for ten minutes\u00a0"}', "reason": "</textarea><script>", "form_token": "t"}


@pytest.mark.parametrize("root_path", ["", "/ops"])
def test_a_form_that_comes_after_the_session_has_ended_is_shown_back(issuer, caplog, root_path):
    caplog.set_level(logging.DEBUG)
    client = browser(issuer.login(), root_path=root_path)
    answer = client.post(f"{root_path}/write", data=TYPED, headers={**OURS, "accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"
    assert not answer.headers["www-authenticate"].startswith("Basic")
    assert "location" not in answer.headers
    found = Forms(answer.text)
    assert "script" not in found.tags
    assert found.found == {f"{root_path}/write": TYPED}
    assert f'href="{root_path}/auth/login" target="_blank"' in answer.text
    assert "ten minutes" not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [{"accept": "application/json"}, {"sec-fetch-site": "cross-site"}, {"authorization": "Bearer nothing"}],
)
def test_it_is_shown_to_nobody_else(issuer, headers):
    answer = browser(issuer.login()).post(
        "/write", data=TYPED, headers={**OURS, "accept": "text/html", **headers}
    )
    assert answer.status_code in (401, 403)
    assert "ten minutes" not in answer.text


def test_a_form_that_is_too_long_isnt_kept_in_memory(issuer):
    answer = browser(issuer.login()).post(
        "/write", data={"value": "x" * 4_200_000}, headers={**OURS, "accept": "text/html"}
    )
    assert answer.status_code == 401
    assert "xxx" not in answer.text
    assert "session has ended" in answer.text


@pytest.mark.parametrize(
    "change", [lambda t: t[:-4] + "AAAA", lambda t: "x" * 5000, lambda t: "a.b.c", lambda t: ""]
)
def test_a_session_that_nobody_sealed(issuer, change):
    login = issuer.login()
    client = browser(login)
    logged_in(client, issuer)
    value = change(client.cookies[login.cookie])
    client.cookies.clear()
    client.cookies.set(login.cookie, value)
    assert client.get("/sagas", headers=PAGE).status_code == 303


def test_the_provider_goes_away(issuer):
    login = issuer.login()
    client = browser(login)
    logged_in(client, issuer)
    other = browser(login)
    url = begun(other)
    issuer.down = True
    assert client.get("/sagas", headers=PAGE).status_code == 200
    assert other.get("/api/v1/status", headers=bearer(READ)).status_code == 200
    assert other.get("/api/v1/status", headers=bearer(issuer.signed(issuer.claims()))).status_code == 200
    refused = other.get("/auth/callback", params=issuer.answer(url), headers=PAGE)
    assert refused.status_code == 503
    assert "Whoever is logged in stays so" in refused.text
    never = browser(issuer.login())
    assert never.get("/auth/start").status_code == 503
    unknown = never.get("/api/v1/status", headers=bearer(issuer.signed(issuer.claims())))
    assert unknown.status_code == 503
    assert "OIDC provider" in unknown.json()["error"]


@pytest.mark.parametrize(
    ("path", "method", "nobody", "read", "invalid"),
    [
        ("/api/v1/status", "GET", 401, 200, 401),
        ("/metrics", "GET", 401, 200, 401),
        ("/readyz", "GET", 401, 200, 401),
        ("/v1/traces", "POST", 401, 200, 401),
        ("/write", "POST", 401, 401, 401),
    ],
)
def test_tokens_go_on_beside_logins(issuer, path, method, nobody, read, invalid):
    client = browser(issuer.login())
    assert client.request(method, path).status_code == nobody
    assert client.request(method, path, headers=bearer(READ)).status_code == read
    assert client.request(method, path, headers=bearer(WRITE)).status_code == 200
    assert client.request(method, path, headers=bearer("x" * 20)).status_code == invalid
    token = issuer.signed(issuer.claims(groups=["oncall"]))
    assert client.request(method, path, headers=bearer(token)).status_code == 200
    old = client.request(method, path, headers=bearer(issuer.signed(issuer.claims(exp=1))))
    assert old.status_code == 401
    assert "expired" in old.json()["error"]
    assert old.headers["www-authenticate"].startswith("Bearer ")


def test_without_a_token_machines_get_in_as_before_and_people_log_in(issuer):
    client = browser(issuer.login(), token=None, write_token=None, base="http://127.0.0.1")
    assert client.get("/metrics").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/traces").status_code == 200
    assert client.get("/api/v1/status").status_code == 401
    assert client.post("/write").status_code == 401
    assert client.get("/sagas", headers=PAGE).status_code == 303


def test_a_browser_may_use_a_token_instead(issuer):
    client = browser(issuer.login())
    asked = client.get("/with-token?next=/sagas", headers=PAGE)
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic ")
    assert client.get("/with-token?next=/sagas", headers=bearer(READ)).headers["location"] == "/sagas"


def test_nobody_takes_the_name_of_somebody_else(issuer):
    client = browser(issuer.login())
    for name in ("oidc:ann@example.com", "OIDC:ann@example.com", " oidc:ann", "\u200boidc:ann"):
        named = client.post("/see", json={"by": name}, headers=bearer(WRITE))
        assert named.json().startswith("claimed ")
    # A user name of basic authentication ends at its first colon.
    proof = base64.b64encode(f"oidc:ann@example.com:{WRITE}".encode()).decode()
    assert client.post("/write", headers={"authorization": f"Basic {proof}"}).status_code == 401


def test_logins_and_refusals_are_in_the_audit_without_secrets(issuer, caplog):
    caplog.set_level(logging.INFO)
    client = browser(issuer.login())
    url = begun(client)
    answer = issuer.answer(url, sub="id\n7")
    client.get("/auth/callback", params=answer)
    client.post("/write", headers=OURS)
    token = issuer.signed(issuer.claims(exp=1))
    client.post("/write", headers=bearer(token))
    assert "login of oidc:ann@example.com (id?7) with the role read from testclient" in caplog.messages
    assert "refused POST /write by oidc:ann@example.com from testclient: HTTP 403" in caplog.messages
    said = "\n".join(line.getMessage() for line in caplog.records if line.name.startswith("flowtrail"))
    for secret in (answer["code"], answer["state"], token, SECRET, *client.cookies.values()):
        assert secret not in said
