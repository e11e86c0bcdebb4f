"""A dead letter is found, looked at, sent back and dismissed in a browser, with and without scripts."""

from __future__ import annotations

import json
import urllib.request

import pytest

from trailkit.site import site
from waiting import scaled

WIDTHS = (320, 1280)
PAGES = (
    "/dead-letters/redrive?state=pending",
    "/dead-letters/dismiss?state=pending",
    "/dead-letters/redrive?group=nobody",
    "/redrives",
)


@pytest.fixture(scope="module")
def own_url(tmp_path_factory):
    """Base URL of a collector of one's own, for what is changed here."""
    with site(tmp_path_factory.mktemp("redrive")) as url:
        yield url


@pytest.fixture
def own_page(browser, own_url):
    """Opens tabs on it; whatever the page complains about fails the test."""
    contexts, complaints = [], []

    def opened(**options):
        context = browser.new_context(base_url=own_url, **options)
        context.set_default_timeout(scaled(20) * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def fits(page, axe):
    """No sideways scroll, and nothing serious for axe."""
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    page.evaluate(axe)
    result = page.evaluate("axe.run({resultTypes: ['violations']})")
    serious = [item["id"] for item in result["violations"] if item["impact"] in ("serious", "critical")]
    return wide <= 0 and serious == [], (page.url, wide, serious)


def test_sent_back_without_scripts(own_page):
    page = own_page(java_script_enabled=False)
    page.goto("/dead-letters?state=pending")
    page.get_by_role("link", name="/0@").first.click()
    assert page.get_by_role("heading", level=1).is_visible()
    assert page.get_by_role("cell", name="dlq.error.type").is_visible()
    page.get_by_role("link", name="Redrive…").click()
    assert "Redrive 1 dead letter?" in page.content()
    page.get_by_role("button", name="Redrive 1").click()
    page.wait_for_url("**/redrives/*")
    # it loads itself again until it is over
    page.get_by_text("1 of 1").wait_for()
    assert page.get_by_text("done").first.is_visible()
    page.get_by_role("link", name="All redrives").click()
    assert page.get_by_role("row").filter(has_text="the console").first.is_visible()


def test_pages_of_the_desk_fit_and_are_accessible(own_page, own_url, axe):
    page = own_page(bypass_csp=True)
    with urllib.request.urlopen(f"{own_url}/api/v1/redrives") as answer:
        job = json.load(answer)["redrives"][0]["id"]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for path in (*PAGES, f"/redrives/{job}"):
            page.goto(path)
            good, why = fits(page, axe)
            assert good, why


def test_another_site_cant_use_the_browsers_rights(browser, own_url):
    """A page from elsewhere posts the form: the browser says where it comes from."""

    def jobs():
        with urllib.request.urlopen(f"{own_url}/api/v1/redrives") as answer:
            return answer.read()

    before = jobs()
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "https://evil.example/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{own_url}/dead-letters/redrive">'
            '<input name="all" value="yes"><button>Win</button></form>',
        ),
    )
    page.goto("https://evil.example/")
    with page.expect_response(f"{own_url}/dead-letters/redrive") as answer:
        page.get_by_role("button").click()
    assert answer.value.status == 403
    assert jobs() == before
    context.close()


def test_dismissed_with_a_reason(own_page):
    page = own_page()
    page.goto("/dead-letters?state=pending")
    page.get_by_role("link", name="Dismiss these…").click()
    page.get_by_label("Why").fill("settled by hand <b>")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Dismiss").click()
    page.wait_for_url("**/dead-letters?state=dismissed")
    assert page.get_by_role("link", name="/0@").count() > 0
