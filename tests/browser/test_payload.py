"""A dead letter's payload is looked at, edited and sent in a browser without scripts, on narrow and wide windows."""

from __future__ import annotations

import pytest

from lookkit import looked_at
from trailkit.site import SCREENSHOTS, site
from trailkit.trouble import PLACES
from waiting import scaled


@pytest.fixture(scope="module")
def own_url(tmp_path_factory):
    """Base URL of a collector of one's own, for what is changed here."""
    with site(tmp_path_factory.mktemp("payload"), show_payloads=True, trouble=True) as url:
        yield url


def taken(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.jpg", type="jpeg", quality=80, full_page=True)


def opened(browser, own_url, complaints, **options):
    context = browser.new_context(base_url=own_url, **options)
    context.set_default_timeout(scaled(20) * 1000)
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto("/dead-letters?state=pending")
    page.get_by_role("link", name="/0@").first.click()
    page.get_by_role("button", name="Show and edit payload…").click()
    return context, page


@pytest.mark.slow(20)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_pages_fit_and_are_accessible(browser, own_url, axe, scheme):
    complaints, wrong, reviewed = [], [], 0
    context, page = opened(browser, own_url, complaints, bypass_csp=True, color_scheme=scheme)
    for topic in (None, *PLACES):
        if topic is not None:
            page.goto(f"/dead-letters/{topic}/0/0")
            page.get_by_role("button", name="Show and edit payload…").click()
        wrong += looked_at(page, axe)
        taken(page, f"payload-{topic}-{scheme}")
        if page.get_by_role("button", name="Review changes").count():
            page.get_by_label("Key").fill("another-key")
            page.get_by_label("Why").fill("looked at by axe")
            page.get_by_role("button", name="Review changes").click()
            wrong += looked_at(page, axe)
            taken(page, f"edit-{topic}-{scheme}")
            reviewed += 1
    context.close()
    assert not wrong, "\n".join(wrong)
    assert reviewed >= 2
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
