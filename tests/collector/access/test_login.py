"""Logging in through the web application: what a browser is given, what it has to bring back, what is refused."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from accesskit.browsing import HERE, OURS, PAGE, READ, bearer, begun, browser, logged_in
from accesskit.issuer import ISSUER

pytestmark = pytest.mark.slow


def test_a_login_from_the_page_that_was_asked_for_and_back(issuer):
    client = browser(issuer.login())
    asked = client.get("/sagas?flow=a%20b", headers=PAGE)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/auth/login?next=%2Fsagas%3Fflow%3Da%2520b"
    page = client.get(asked.headers["location"], headers=PAGE).text
    assert "Log in at login.example" in page
    url = begun(client, "/auth/start?next=%2Fsagas%3Fflow%3Da%2520b")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{ISSUER}/auth?")
    assert query["redirect_uri"] == f"{HERE}/auth/callback"
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["scope"] == "openid profile email groups"
    assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    back = client.get("/auth/callback", params={**issuer.answer(url), "session_state": "x", "iss": ISSUER})
    assert (back.status_code, back.headers["location"]) == (303, "/sagas?flow=a%20b")
    assert client.get("/sagas", headers=PAGE).text == "read"


def test_a_page_is_found_again_whatever_its_name(issuer):
    client = browser(issuer.login())
    path = "/trails/ORD%3F1%23%C3%A4%20b?limit=%26"
    asked = client.get(path, headers=PAGE).headers["location"]
    url = begun(client, asked.replace("/auth/login", "/auth/start"))
    assert client.get("/auth/callback", params=issuer.answer(url)).headers["location"] == path


def test_what_the_cookies_are(issuer):
    client = browser(issuer.login(session_seconds=1234))
    start = client.get("/auth/start").headers["set-cookie"]
    assert "flowtrail_login_" in start
    assert "Path=/auth" in start
    kept = logged_in(client, issuer).headers.get_list("set-cookie")
    session = next(line for line in kept if line.startswith("flowtrail_session_"))
    for cookie in (start, session):
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" in cookie
    assert "Max-Age=1234" in session
    # The login's own are gone.
    assert [name for name in client.cookies if name.startswith("flowtrail_login_")] == []
    plain = browser(issuer.login(), base="http://127.0.0.1:8090")
    assert "Secure" not in plain.get("/auth/start").headers["set-cookie"]


def test_under_a_prefix(issuer):
    client = browser(issuer.login(), root_path="/flowtrail")
    asked = client.get("/flowtrail/sagas", headers=PAGE)
    assert asked.headers["location"] == "/flowtrail/auth/login?next=%2Fsagas"
    url = begun(client, "/flowtrail/auth/start?next=/sagas")
    assert parse_qs(urlsplit(url).query)["redirect_uri"] == [f"{HERE}/flowtrail/auth/callback"]
    back = client.get("/flowtrail/auth/callback", params=issuer.answer(url))
    assert back.headers["location"] == "/flowtrail/sagas"
    assert "Path=/flowtrail;" in back.headers.get_list("set-cookie")[-1]
    assert client.get("/flowtrail/sagas", headers=PAGE).text == "read"


@pytest.mark.parametrize(
    "leads", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\t/evil"]
)
def test_no_login_leads_elsewhere(issuer, leads):
    client = browser(issuer.login())
    url = begun(client, str(client.build_request("GET", "/auth/start", params={"next": leads}).url))
    assert client.get("/auth/callback", params=issuer.answer(url)).headers["location"] == "/"
    page = client.get("/auth/login", params={"next": leads}, headers=PAGE).text
    assert "evil" not in page
    assert client.get("/with-token", params={"next": leads}, headers=bearer(READ)).headers["location"] == "/"
    stranger = browser(issuer.login())
    asked = stranger.get(f"{HERE}//evil.example/x", headers=PAGE)
    assert asked.headers["location"] == "/auth/login?next=%2F%2Fevil.example%2Fx"


REFUSED = {
    "no cookie": lambda client, answer: client.cookies.clear() or answer,
    "another state": lambda client, answer: {**answer, "state": "x" * 43},
    "a state that begins the same": lambda client, answer: {
        **answer,
        "state": answer["state"][:20] + "x" * 23,
    },
    "no state": lambda client, answer: {"code": answer["code"]},
    "no code": lambda client, answer: {"state": answer["state"]},
    "an empty code": lambda client, answer: {**answer, "code": ""},
    "another code": lambda client, answer: {**answer, "code": "guessed"},
    "a huge code": lambda client, answer: {**answer, "code": "c" * 5000},
    "an error": lambda client, answer: {"state": answer["state"], "error": "access_denied<script>"},
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_an_answer_that_isnt_ours(issuer, what):
    client = browser(issuer.login())
    answer = REFUSED[what](client, issuer.answer(begun(client)))
    refused = client.get("/auth/callback", params=answer, headers=PAGE)
    assert refused.status_code == 403
    assert "flowtrail_session_" not in refused.headers.get("set-cookie", "")
    assert "<script>" not in refused.text
    assert "/auth/start" in refused.text
    assert client.get("/sagas", headers=PAGE).status_code == 303


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "another login"),
        ({"nonce": None}, "another login"),
        ({"nonce": 5}, "another login"),
        ({"aud": "other"}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": 1}, "expired"),
        ({"azp": "other", "aud": ["flowtrail", "other"]}, "another client"),
        ({"sub": ""}, "lacks|names nobody|sub"),
        ({"groups": ["nobodys"]}, "has no role here"),
        ({"groups": None}, "has no role here"),
    ],
)
def test_an_id_token_that_lets_nobody_in(issuer, claims, said):
    client = browser(issuer.login())
    refused = logged_in(client, issuer, **claims)
    assert refused.status_code == 403
    assert re.search(said, refused.text)
    assert client.get("/sagas", headers=PAGE).status_code == 303


def test_a_login_is_used_once(issuer):
    client = browser(issuer.login())
    url = begun(client)
    kept = dict(client.cookies)
    answer = issuer.answer(url)
    assert client.get("/auth/callback", params=answer).status_code == 303
    assert client.get("/auth/callback", params=answer).status_code == 403
    client.cookies.update(kept)
    assert client.get("/auth/callback", params=answer).status_code == 403


def test_another_browsers_login_and_a_planted_session(issuer):
    """Login CSRF, and session fixation: what a browser holds before has no part in what it gets."""
    mine, theirs = browser(issuer.login()), browser(issuer.login())
    answer = issuer.answer(begun(theirs))
    assert mine.get("/auth/callback", params=answer).status_code == 403
    login = issuer.login()
    client = browser(login)
    client.cookies.set(login.cookie, "planted")
    logged_in(client, issuer)
    assert client.cookies.get(login.cookie, domain="flowtrail.example") != "planted"


def test_several_tabs_log_in_at_once(issuer):
    client = browser(issuer.login())
    urls = [begun(client) for _ in range(5)]
    answers = [issuer.answer(url) for url in urls]
    assert client.get("/auth/callback", params=answers[3]).status_code == 303
    assert client.get("/sagas", headers=PAGE).text == "read"


def test_logging_out(issuer):
    client = browser(issuer.login())
    logged_in(client, issuer)
    out = client.post("/auth/logout", headers=OURS)
    assert out.headers["location"] == "/auth/logged-out"
    assert client.get("/sagas", headers=PAGE).status_code == 303
    assert f"{ISSUER}/bye?client_id=flowtrail" in client.get("/auth/logged-out").text


@pytest.mark.parametrize("host", ["evil.example/..", "a b", "a@b", "[::1", "h:port", "ü.example"])
def test_a_host_that_is_none(issuer, host):
    client = browser(issuer.login())
    assert client.get("/auth/start", headers={"host": host.encode()}).status_code == 400
