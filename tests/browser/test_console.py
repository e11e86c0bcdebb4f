"""What people do with the console, in a real browser."""

from __future__ import annotations

import json
import urllib.request

import pytest

from flowtrail_collector.console import trail_document
from trailkit.site import ORDERS
from waiting import scaled


@pytest.mark.parametrize("what", list(ORDERS))
def test_an_order_is_found_from_its_number_in_two_interactions(open_page, what):
    number = ORDERS[what][0]
    page = open_page()
    page.goto("/")
    # The search box takes the focus with the first frame, which comes later than the page's own event.
    page.wait_for_function("() => document.activeElement.matches('input[type=search]')")
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/trails/{number}")
    assert page.locator("h1").inner_text() == number
    assert "OrderPlaced" in page.locator("main").inner_text()


def test_ids_are_suggested_while_one_is_typed(open_page):
    page = open_page()
    page.goto("/lag")
    page.locator("#q").press_sequentially("order-100")
    page.wait_for_function("() => document.querySelectorAll('#ids option').length >= 6")
    assert page.locator("#ids option").first.get_attribute("value") == "order-1001"


@pytest.mark.parametrize("path", ["/dead-letters", "/sagas", "/sagas/causes"])
def test_filters_are_folded_on_a_phone_and_open_without_scripts(open_page, path):
    page = open_page(390, java_script_enabled=False)
    page.goto(path)
    assert not page.get_by_role("button", name="Show").is_visible()
    page.get_by_text("Filters").click()
    assert page.get_by_role("button", name="Show").is_visible()
    page = open_page(java_script_enabled=False)
    page.goto(path)
    assert page.get_by_role("button", name="Show").is_visible()
    assert not page.get_by_text("Filters").is_visible()


def test_what_comes_later_is_not_in_the_colour_of_alarm(open_page):
    page = open_page()
    page.goto("/trails/order-1003")
    colour = "element => getComputedStyle(element).color"
    alarm = page.locator("tr.failed .wrong").first.evaluate(colour)
    later = page.locator("tr.later .expects")
    assert later.count() == 2
    assert alarm not in [each.evaluate(colour) for each in later.all()]


def test_each_effect_is_drawn_to_the_right_of_its_cause(open_page):
    page = open_page()
    page.goto("/trails/order-1002")
    places = page.evaluate(
        """() => [...document.querySelectorAll(".trail tbody tr[id]")].map(row => [
          row.id, row.querySelector(".symbol").getBoundingClientRect().left,
          (row.querySelector(".cause a") || {hash: ""}).hash.slice(1)])"""
    )
    lefts = {row: left for row, left, _ in places}
    asides = [(lefts[row], lefts[cause]) for row, _, cause in places if cause]
    assert asides
    assert all(effect > cause for effect, cause in asides)
    assert max(lefts.values()) - min(lefts.values()) > 50


def test_what_is_missing_and_who_owes_it_is_said(open_page):
    page = open_page()
    page.goto("/trails/order-1005")
    banner = page.locator(".banner").inner_text()
    assert "Missing: charge" in banner
    assert "PaymentCompleted or PaymentFailed from billing" in banner
    assert "was due" in banner


def test_retries_dead_letter_and_redrive_are_shown(open_page):
    page = open_page()
    page.goto("/trails/order-1004")
    for kind in ("retry", "dead_letter", "redrive"):
        assert page.locator(f"tr.{kind}").count() >= 1, kind
    page.goto("/trails/order-1002")
    assert page.locator("tr.compensation").count() == 2


def test_everything_can_be_reached_with_the_keyboard(open_page):
    page = open_page()
    page.goto("/sagas")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    focused = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        focused.add(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert len(focused) > 10


def test_a_page_follows_what_happens_and_can_be_paused(open_page, console_url):
    page = open_page()
    page.goto("/collector")
    page.wait_for_selector("#live[data-state=on]")
    before = page.locator("dl.ids").inner_text()
    span = (
        '{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x",'
        ' "startTimeUnixNano": "1700000000000000000"}'
    )
    body = '{"resourceSpans": [{"scopeSpans": [{"spans": [' + span + "]}]}]}"
    request = urllib.request.Request(
        console_url + "/v1/traces", body.encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=scaled(10)).close()
    page.wait_for_function(
        "before => document.querySelector('dl.ids').innerText.match(/Spans stored\\s+[1-9]/)", arg=before
    )
    page.click("#live")
    assert page.locator("#live").inner_text() == "Paused"
    assert page.locator("#live").get_attribute("aria-pressed") == "false"


def test_it_works_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/")
    page.fill("#q", "order-1001")
    page.press("#q", "Enter")
    page.wait_for_url("**/trails/order-1001")
    assert not page.locator("#live").is_visible()
    page.goto("/map")
    assert page.locator("svg.map .node").count() >= 9


def test_a_page_of_its_own_to_attach_to_a_ticket(open_page, console_url, tmp_path):
    with urllib.request.urlopen(f"{console_url}/api/v1/trails/order-1004", timeout=scaled(10)) as answer:
        trail = json.load(answer)["trail"]
    file = tmp_path / "trail.html"
    file.write_text(trail_document(trail, "order-1004"), encoding="utf-8")
    page = open_page()
    page.goto(file.as_uri())
    assert page.locator("h1").inner_text() == "order-1004"
    assert page.locator("tr.redrive").count() == 1
    page.screenshot(path=tmp_path / "trail.png")


def test_a_click_on_a_trace_id_goes_to_the_tool_that_is_configured(open_page):
    page = open_page()
    page.goto("/trails/order-1001")
    assert page.locator("dl.ids a").first.get_attribute("href").startswith("https://jaeger.example/trace/")
