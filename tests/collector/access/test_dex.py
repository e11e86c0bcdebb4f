"""A whole collector with a real provider: people log in on Dex's own pages, programs bring its tokens."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import urljoin

import httpx
import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, OidcConfig, WebConfig
from flowtrail_collector.web.access import freshness
from flowtrail_collector.web.access.provider import discover
from flowtrail_collector.web.server import listen, url_of
from servers import free_port
from servers._dex import CLIENT, PASSWORD, SECRET
from trailkit.program import program
from trailkit.web import collecting
from waiting import scaled

PEOPLE = {
    "ann@example.com": ["staff", "oncall"],
    "bob@example.com": ["staff"],
    "eve@example.com": ["elsewhere"],
}
READ = "r" * 20
PAGE = {"accept": "text/html"}
DISMISS = {"note": "n", "topic": "none"}


@pytest.fixture(scope="module")
def dex_and_collector(dex_server, tmp_path_factory):
    """A Dex, and the URL of a collector that trusts it."""
    listener = listen("127.0.0.1", 0)
    dex = dex_server(PEOPLE, [f"{url_of(listener)}/auth/callback"])
    oidc = OidcConfig(dex.issuer, CLIENT, SECRET, roles=("read=staff", "write=oncall"))
    web = WebConfig("127.0.0.1:0", token=READ, oidc=oidc)
    config = CollectorConfig(
        KafkaConfig("127.0.0.1:9"), store=tmp_path_factory.mktemp("store") / "s.sqlite", web=web
    )
    with pytest.MonkeyPatch.context() as patch, collecting(config, listener) as url:
        # New keys are noticed at once, however short ago it was asked for them.
        patch.setattr(freshness, "_PAUSE_SECONDS", 0.0)
        yield dex, url


def client(url):
    return httpx.Client(base_url=url, timeout=scaled(20), follow_redirects=True)


def log_in(http, email, password=PASSWORD, path="/sagas"):
    """Ask for a page, go where that leads, and fill in the form there; what comes at the end."""
    page = http.get(path, headers=PAGE)
    start = re.search(r'href="([^"]*/auth/start[^"]*)"', page.text)[1]
    form = http.get(start, headers=PAGE)
    action = re.search(r'<form method="post" action="([^"]*)"', form.text)[1].replace("&amp;", "&")
    return http.post(
        urljoin(str(form.url), action), data={"login": email, "password": password}, headers=PAGE
    )


def token_of(dex, email):
    """An ID token for programs."""
    answer = httpx.post(
        f"{dex.issuer}/token", auth=(CLIENT, SECRET), timeout=scaled(20),
        data={"grant_type": "password", "username": email, "password": PASSWORD, "scope": "openid email groups"},
    )  # fmt: skip
    return answer.raise_for_status().json()["id_token"]


def test_a_login_by_dex_gives_the_role_of_its_groups(dex_and_collector):
    _, url = dex_and_collector
    with client(url) as http:
        back = log_in(http, "ann@example.com", path="/sagas?limit=3")
        assert str(back.url) == f"{url}/sagas?limit=3"
        assert "ann@example.com" in back.text
        assert http.post("/api/v1/dead-letters/dismiss", json=DISMISS).status_code == 403  # from nowhere
        ours = {"origin": url}
        assert http.post("/api/v1/dead-letters/dismiss", json=DISMISS, headers=ours).status_code == 200
        assert http.post("/auth/logout", headers=ours).status_code == 200
        assert "Log in at" in http.get("/sagas", headers=PAGE).text
    with client(url) as http:
        assert "bob@example.com" in log_in(http, "bob@example.com").text
        refused = http.post("/api/v1/dead-letters/dismiss", json=DISMISS, headers={"origin": url})
        assert refused.status_code == 403
        assert "role read" in refused.json()["error"]
    with client(url) as http:
        assert log_in(http, "eve@example.com").status_code == 403
        assert http.get("/api/v1/status").status_code == 401
    with client(url) as http:
        log_in(http, "ann@example.com", password="wrong")
        assert http.get("/api/v1/status").status_code == 401


def test_its_tokens_for_programs_are_in_the_audit_with_a_name(dex_and_collector, monkeypatch):
    dex, url = dex_and_collector
    monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", url)
    for name in ("FLOWTRAIL_TOKEN", "FLOWTRAIL_WRITE_TOKEN"):
        monkeypatch.setenv(name, token_of(dex, "ann@example.com"))
    dismissed = httpx.post(
        f"{url}/api/v1/dead-letters/dismiss", json={**DISMISS, "by": "mallory"}, timeout=scaled(20),
        headers={"authorization": f"Bearer {token_of(dex, 'ann@example.com')}"},
    )  # fmt: skip
    assert dismissed.status_code == 200
    shown = CliRunner().invoke(cli, ["dlq", "audit"])
    assert shown.exit_code == 0, shown.output
    assert "oidc:ann@example.com" in shown.output


def test_new_keys_and_no_provider_at_all(dex_and_collector):
    dex, url = dex_and_collector
    with client(url) as http:
        log_in(http, "bob@example.com")
        before = token_of(dex, "bob@example.com")
        dex.kill()
        # Sessions, tokens of both kinds, and machines go on.
        for headers in ({}, {"authorization": f"Bearer {before}"}, {"authorization": f"Bearer {READ}"}):
            assert http.get("/api/v1/status", headers=headers).status_code == 200
        dex.start()
        after = token_of(dex, "bob@example.com")
        assert http.get("/api/v1/status", headers={"authorization": f"Bearer {after}"}).status_code == 200
        old = http.get("/api/v1/status", headers={"authorization": f"Bearer {before}"})
        assert old.status_code == 401
        assert "key" in old.json()["error"]


def test_the_issuers_name_has_to_be_exactly_its_own(dex_and_collector):
    dex, _ = dex_and_collector
    discover(dex.issuer)
    with pytest.raises(ConfigurationError, match="use exactly that name"):
        discover(dex.issuer + "/")


@pytest.mark.slow(20)
def test_two_processes_of_two_collectors_take_the_same_session(dex_server, tmp_path, monkeypatch):
    """A restart is a collector beside it that comes later."""
    ports = [free_port(), free_port()]
    dex = dex_server(PEOPLE, [f"http://127.0.0.1:{ports[0]}/auth/callback"])
    monkeypatch.setenv("FLOWTRAIL_OIDC_CLIENT_SECRET", SECRET)
    options = (
        "--oidc-issuer",
        dex.issuer,
        "--oidc-client-id",
        CLIENT,
        "--oidc-role",
        "write=oncall",
        "--store",
    )
    with client("") as http, contextlib.ExitStack() as stack:
        for number, port in enumerate(ports):
            store = tmp_path / f"{number}.sqlite"
            one = stack.enter_context(
                program(tmp_path, "127.0.0.1:9", *options, store, listen=f"127.0.0.1:{port}")
            )
            http.base_url = one.url
            if number == 0:
                assert "ann@example.com" in log_in(http, "ann@example.com").text
            assert http.get("/api/v1/topics").status_code == 200  # by the process that reads
            sent = http.post("/api/v1/dead-letters/dismiss", json=DISMISS, headers={"origin": one.url})
            assert sent.status_code == 200, sent.text  # by the one that writes
            assert SECRET not in one.log
