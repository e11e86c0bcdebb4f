"""A dead letter's payload is looked at, edited and sent in a browser without scripts, on narrow and wide windows."""

from __future__ import annotations

import pytest

from trailkit.site import site
from waiting import scaled

WIDTHS = (320, 390, 1440)


@pytest.fixture(scope="module")
def own_url(tmp_path_factory):
    """Base URL of a collector of one's own, for what is changed here."""
    with site(tmp_path_factory.mktemp("payload"), show_payloads=True) as url:
        yield url


def opened(browser, own_url, complaints, **options):
    context = browser.new_context(base_url=own_url, **options)
    context.set_default_timeout(scaled(20) * 1000)
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto("/dead-letters?state=pending")
    page.get_by_role("link", name="/0@").first.click()
    page.get_by_role("button", name="Show and edit payload…").click()
    return context, page


def check(page, axe, wrong):
    """No sideways scroll, and nothing serious for axe, at each width."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        page.evaluate(axe)
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [item["id"] for item in result["violations"] if item["impact"] in ("serious", "critical")]
        if wide > 0 or serious:
            wrong.append((page.title(), width, wide, serious))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_pages_fit_and_are_accessible(browser, own_url, axe, scheme):
    complaints, wrong = [], []
    context, page = opened(browser, own_url, complaints, bypass_csp=True, color_scheme=scheme)
    check(page, axe, wrong)
    page.get_by_label("Key").fill("another-key")
    page.get_by_label("Why").fill("looked at by axe")
    page.get_by_role("button", name="Review changes").click()
    check(page, axe, wrong)
    context.close()
    assert wrong == []
    assert complaints == []


def test_edited_reviewed_and_sent_without_scripts(browser, own_url):
    complaints = []
    context, page = opened(browser, own_url, complaints, java_script_enabled=False)
    page.get_by_label("Headers to change").fill("tenant=a")
    page.get_by_label("Why").fill("the tenant was missing")
    page.get_by_role("button", name="Review changes").click()
    assert "+a" in page.content()
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/redrives/*")
    page.get_by_text("1 of 1").wait_for()
    assert "the tenant was missing" in page.content()
    page.get_by_role("link", name="All redrives").click()
    rows = page.get_by_role("row")
    assert rows.filter(has_text="edit").filter(has_text="the tenant was missing").first.is_visible()
    assert rows.filter(has_text="payload").first.is_visible()
    context.close()
    assert complaints == []
