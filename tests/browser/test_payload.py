"""A dead letter's payload is looked at, edited and sent in a browser without scripts, on narrow and wide windows."""

from __future__ import annotations

import pytest

from lookkit import looked_at
from redrivekit.forms import LETTER, Site
from trailkit.site import SCREENSHOTS, site
from trailkit.trouble import PLACES
from trailkit.web import served
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

    def note(message):
        # That a form has a mistake in it (400) is told as an error, too.
        if message.type == "error" and message.location["url"] != page.url:
            complaints.append(message.text)

    page.on("console", note)
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
            page.get_by_label("Why").fill("looked at by axe")
            page.get_by_role("button", name="Review changes").click()
            assert "nothing is changed" in page.get_by_role("alert").inner_text()
            wrong += looked_at(page, axe)
            taken(page, f"slip-{topic}-{scheme}")
            page.get_by_label("Key", exact=True).fill("another-key")
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


RECORDS = {
    "crlf": (b"edi", b"UNB+UNOC:3'\r\nUNH+1+ORDERS'\r\n"),
    "cr": (b"a\r\nb\nc", b"MSH|^~\\&|A\rPID|1\r"),
    "mixed": (b"", b"\nfirst line empty\nsecond\r\nthird\rfourth  \n"),
    "invisible": (
        "\ufeff\u202ek\t".encode(),
        "\ufeff12\u00a0€ \u00ad\u200b\u2028\x7f\x85\ufffd \\u{a0} </textarea>".encode(),
    ),
    "bytes": (b"\xff\x00", b"\x00\xff"),
    "none": (None, None),
}


@pytest.mark.slow(20)
@pytest.mark.parametrize("scripts", [True, False])
def test_what_nobody_touched_goes_byte_for_byte(browser, tmp_path, scripts):
    context = browser.new_context(java_script_enabled=scripts)
    context.set_default_timeout(scaled(20) * 1000)
    for name, (key, value) in RECORDS.items():
        (tmp_path / name).mkdir()
        with Site(tmp_path / name, value, key=key) as site, served(site.pages) as url:
            page = context.new_page()
            page.goto(url + LETTER)
            page.get_by_role("button", name="Show and edit payload…").click()
            # A slip first: the form comes again, and what it holds is as it was.
            page.get_by_label("Headers to change").fill("dlq.topic=x")
            page.get_by_label("Why").fill("why")
            page.get_by_role("button", name="Review changes").click()
            assert "flowtrail writes it" in page.get_by_role("alert").inner_text()
            page.get_by_label("Headers to change").fill("x=\x011")
            page.get_by_role("button", name="Review changes").click()
            assert "+\\u{1}1" in page.locator("pre").inner_text()
            page.get_by_role("button", name="Change it again").click()
            page.get_by_role("button", name="Review changes").click()
            page.get_by_role("button", name="Send").click()
            page.wait_for_url("**/redrives/*")
            page.close()  # it loads itself again, and its server ends
            site.work()
            (sent,) = site.kafka.published
            assert (sent.key, sent.value, sent.headers[-1]) == (key, value, ("x", b"\x011")), name
    context.close()


@pytest.mark.slow(5)
def test_a_line_that_is_added_ends_as_the_others(browser, tmp_path):
    context = browser.new_context()
    context.set_default_timeout(scaled(20) * 1000)
    page = context.new_page()
    with Site(tmp_path, b"a\r\nb\r\n") as site, served(site.pages) as url:
        page.goto(url + LETTER)
        page.get_by_role("button", name="Show and edit payload…").click()
        area = page.locator("textarea[name=value]")
        area.fill(area.input_value() + "c\nd")
        page.get_by_label("Send it without a key").check()
        page.get_by_label("Why").fill("why")
        page.get_by_role("button", name="Review changes").click()
        assert "+c\\u{d}" in page.locator("pre").inner_text()
        page.get_by_role("button", name="Send").click()
        page.wait_for_url("**/redrives/*")
        site.work()
        (sent,) = site.kafka.published
        assert (sent.key, sent.value) == (None, b"a\r\nb\r\nc\r\nd")
    context.close()
