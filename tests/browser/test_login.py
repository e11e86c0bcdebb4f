"""People log in at a real provider, in a real browser, without scripts and with them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from flowtrail_collector.settings import CollectorConfig, KafkaConfig, OidcConfig, WebConfig
from flowtrail_collector.web.server import listen, url_of
from lookkit import looked_at
from servers._dex import CLIENT, PASSWORD, SECRET
from trailkit.web import collecting
from waiting import scaled

PEOPLE = {"ann@example.com": ["oncall"], "bob@example.com": ["staff"], "eve@example.com": []}
READ = "r" * 20


@pytest.fixture(scope="module")
def guarded_url(dex_server, tmp_path_factory):
    """Base URL of a collector that people log in to."""
    listener = listen("127.0.0.1", 0)
    dex = dex_server(PEOPLE, [f"{url_of(listener)}/auth/callback"])
    oidc = OidcConfig(dex.issuer, CLIENT, SECRET, roles=("read=staff", "write=oncall"))
    web = WebConfig("127.0.0.1:0", token=READ, oidc=oidc)
    store = tmp_path_factory.mktemp("store") / "s.sqlite"
    with collecting(CollectorConfig(KafkaConfig("127.0.0.1:9"), store=store, web=web), listener) as url:
        yield url


@pytest.fixture
def tab(browser, guarded_url):
    """Opens tabs of a browser of their own."""
    contexts = []

    def opened(**options) -> Page:
        contexts.append(browser.new_context(base_url=guarded_url, **options))
        contexts[-1].set_default_timeout(scaled(20) * 1000)
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()


def log_in(page, email, path="/sagas?limit=7"):
    page.goto(path)
    page.get_by_role("link", name="Log in at").click()
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()


@pytest.mark.parametrize("scripts", [True, False])
def test_in_and_out(tab, guarded_url, scripts):
    page = tab(java_script_enabled=scripts)
    log_in(page, "ann@example.com")
    page.wait_for_url(f"{guarded_url}/sagas?limit=7")
    expect(page.locator(".person")).to_contain_text("ann@example.com")
    expect(page.locator(".person")).to_contain_text("write")
    (session,) = [c for c in page.context.cookies() if c["name"].startswith("flowtrail_session_")]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert [c["name"] for c in page.context.cookies() if c["name"].startswith("flowtrail_login_")] == []
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/auth/logged-out")
    expect(page.locator("h1")).to_have_text("Logged out")
    page.goto("/sagas")
    page.wait_for_url("**/auth/login?next=*")


def test_a_form_is_sent_after_a_login_and_says_what_a_role_lacks(tab):
    page = tab()
    log_in(page, "ann@example.com", "/dead-letters/dismiss?topic=none")
    page.wait_for_url("**/dead-letters/dismiss?topic=none")
    reader = tab()
    log_in(reader, "bob@example.com", "/dead-letters/redrive?topic=none")
    expect(reader.locator(".person")).to_contain_text("read")
    # Not offered, and not taken either.
    assert reader.locator("form[action$='/dead-letters/redrive']").count() == 0
    status = reader.evaluate(
        "fetch('/dead-letters/dismiss', {method: 'POST', body: new URLSearchParams({note: 'n'})}).then(a => a.status)"
    )
    assert status == 403


def test_without_a_role_nobody_gets_in(tab):
    page = tab()
    log_in(page, "eve@example.com")
    page.wait_for_url("**/auth/callback?*")
    expect(page.locator(".banner")).to_contain_text("eve@example.com has no role here")
    page.goto("/sagas")
    page.wait_for_url("**/auth/login?next=*")


def test_an_access_token_instead(tab):
    page = tab(http_credentials={"username": "carol", "password": READ})
    page.goto("/sagas?limit=3")
    page.get_by_role("link", name="Use an access token").click()
    page.wait_for_url("**/sagas?limit=3")
    page.get_by_role("link", name="Lag").click()
    page.wait_for_url("**/lag")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_pages_fit_and_are_accessible(tab, axe, scheme):
    wrong = []
    page = tab(bypass_csp=True, color_scheme=scheme)
    for path in ("/auth/login?next=/sagas", "/auth/logged-out", "/auth/callback?state=x"):
        page.goto(path)
        wrong += looked_at(page, axe)
    log_in(page, "ann@example.com", "/")
    page.wait_for_url("**/")
    wrong += looked_at(page, axe)
    assert not wrong, "\n".join(wrong)
