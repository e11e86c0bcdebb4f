"""The service map in a real browser: nothing lies on anything, all can be reached, moved and read."""

from __future__ import annotations

import re
import urllib.request
from urllib.parse import urlsplit

import pytest

from mapkit import FLOW, map_site
from waiting import scaled

WIDTHS = (390, 1440, 3840)
# What covers what, and which text sticks out of its box or of the drawing.
_COVERED = """() => {
  const box = element => element.getBoundingClientRect();
  const words = element => element.textContent.trim() || element.parentNode.textContent.trim();
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const solid = [...document.querySelectorAll("#map text.label, #map .box")].map(one => [one, box(one)]);
  const covered = solid.flatMap(([one, a], i) => solid.slice(i + 1).filter(([, b]) => !apart(a, b))
    .map(([other]) => [words(one), words(other)]));
  const whole = box(document.querySelector("#map svg"));
  const inside = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
  const out = [...document.querySelectorAll("#map .node text")]
    .filter(text => !inside(box(text), box(text.closest(".node").querySelector(".box")))).map(words);
  const beyond = solid.filter(([, a]) => !inside(a, whole)).map(([one]) => words(one));
  const texts = [...document.querySelectorAll("#map .node")].flatMap(node => {
    const lines = [...node.querySelectorAll("text")].map(box);
    return lines.slice(1).filter((line, i) => line.top < lines[i].bottom - line.height * 0.3).map(() => words(node));
  });
  return { count: solid.length, covered, out, beyond, texts };
}"""


@pytest.fixture(scope="module")
def forty_url():
    """A map of forty services."""
    with map_site() as url:
        yield url


@pytest.fixture
def open_forty(browser, forty_url):
    """Opens the map of forty services: `open_forty(width, path="/map")`."""
    contexts = []

    def opened(width, path="/map", **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, base_url=forty_url, **options)
        context.set_default_timeout(scaled(30) * 1000)
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()


def assert_nothing_covered(page, least):
    found = page.evaluate(_COVERED)
    assert found["count"] >= least
    assert {name: found[name] for name in ("covered", "out", "beyond", "texts")} == {
        "covered": [], "out": [], "beyond": [], "texts": [],
    }  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


@pytest.mark.slow(15)
def test_nothing_lies_on_anything_on_the_demos_map(open_page):
    page = open_page()
    page.goto("/map")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert_nothing_covered(page, 20)


@pytest.mark.slow(30)
@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_lies_on_anything_on_a_map_of_forty_services(open_forty, scripts):
    page = open_forty(WIDTHS[0], java_script_enabled=scripts)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert_nothing_covered(page, 200)


@pytest.mark.slow(15)
def test_every_link_of_the_map_has_a_name_and_leads_somewhere(open_page, console_url):
    page = open_page()
    page.goto("/map")
    links = page.locator("#map a").evaluate_all(
        "links => links.map(link => [link.getAttribute('href'), link.getAttribute('aria-label')])"
    )
    assert all(name for _, name in links)
    for address in {href for href, _ in links}:
        with urllib.request.urlopen(console_url + address, timeout=scaled(20)) as answer:
            assert answer.status == 200, address
    kinds = {urlsplit(href).path for href, _ in links}
    assert kinds >= {"/lag", "/map/topic", "/map/edge", "/dead-letters"}


def test_a_node_leads_to_the_partitions_of_its_group_and_its_dead_letters_to_theirs(open_page):
    page = open_page()
    page.goto("/map")
    page.click("#map .node.bad a[href*='/lag?group=billing']")
    page.wait_for_url("**/lag?group=billing")
    assert "Partitions" in page.locator("main").inner_text()
    page.goto("/map")
    page.click("#map a[href*='/dead-letters?group=billing']")
    page.wait_for_url("**/dead-letters?group=billing*")
    assert page.locator("[name=group]").input_value() == "billing"


def test_an_edge_leads_to_the_trails_that_went_over_it_last(open_page):
    page = open_page()
    page.goto("/map")
    edge = page.locator("#map a.edge[href*='topic=orders&target=inventory']")
    says = edge.get_attribute("aria-label")
    assert re.search(r"OrderPlaced.*p50 ≤ .*p95 ≤ .*p99 ≤ ", says)
    edge.locator("text").first.evaluate("text => text.closest('a').focus()")
    page.keyboard.press("Enter")
    page.wait_for_url("**/map/edge?*")
    assert "OrderPlaced" in page.locator("main").inner_text()
    page.click("table a[href*='/trails/']")
    page.wait_for_url("**/trails/*")
    assert "order-" in page.locator("h1").inner_text()


def test_what_has_the_focus_is_seen(open_page):
    page = open_page()
    page.goto("/map")
    rings = page.evaluate(
        """() => [...document.querySelectorAll("#map a")].map(link => {
          link.focus({ focusVisible: true });
          const shown = link.matches(".edge") ? link.querySelector(".line") : link.querySelector(".hit");
          const style = getComputedStyle(shown);
          return [style.stroke, Number.parseFloat(style.strokeWidth)];
        })"""
    )
    link = page.evaluate("getComputedStyle(document.querySelector('.brand ~ nav a')).color")
    assert {stroke for stroke, _ in rings} == {link}
    assert min(width for _, width in rings) >= 3


def test_the_node_of_a_stopped_group_stands_out_by_more_than_colour(open_page):
    page = open_page()
    page.goto("/map")
    node = page.locator("#map .node.bad", has_text="billing")
    words = " ".join(node.first.text_content().split())
    assert "⚠ stopped: has no members" in words
    assert "dead letters" in words
    widths = page.evaluate(
        """() => [".bad", ".topic"].map(name => Number.parseFloat(getComputedStyle(
          document.querySelector(`#map .node${name} .box`)).strokeWidth))"""
    )
    assert widths[0] > 2 * widths[1]


def test_the_map_is_zoomed_fitted_and_dragged(open_forty):
    page = open_forty(1440)
    width = "document.querySelector('#map svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.click("[data-zoom=in]")
    assert page.evaluate(width) > before * 1.2
    page.click("[data-zoom=fit]")
    assert page.evaluate("(map => map.scrollWidth - map.clientWidth)(document.getElementById('map'))") <= 1
    assert page.evaluate("(map => map.scrollHeight - map.clientHeight)(document.getElementById('map'))") <= 1
    page.click("[data-zoom=full]")
    page.evaluate("document.getElementById('map').scrollTo(300, 300)")
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 120, y - 80, steps=4)
    page.mouse.up()
    place = "(map => [map.scrollLeft, map.scrollTop])(document.getElementById('map'))"
    assert page.evaluate(place) == [420, 380]
    assert urlsplit(page.url).path == "/map"
    page.focus("#map")
    page.keyboard.press("0")
    assert page.evaluate(width) < before


@pytest.mark.parametrize("scripts", [True, False])
def test_on_a_phone_all_of_the_map_can_be_scrolled_to_with_or_without_script(open_forty, scripts):
    page = open_forty(390, java_script_enabled=scripts, has_touch=True)
    assert page.locator(".mapbar").is_visible() is scripts
    cut = page.evaluate(
        """() => {
          const map = document.getElementById("map"), svg = map.querySelector("svg").getBoundingClientRect();
          return [map.scrollWidth - svg.width, map.scrollHeight - svg.height, getComputedStyle(map).overflowX];
        }"""
    )
    assert cut[2] == "auto"
    assert cut[0] > -1
    assert cut[1] > -1
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('#map text')].map(text => text.getBoundingClientRect().height))"
    )
    assert smallest >= 9


def test_zoom_and_place_are_kept_when_the_page_is_loaded_anew(open_forty):
    page = open_forty(1440)
    page.click("[data-zoom=full]")
    page.evaluate("document.getElementById('map').scrollTo(200, 150)")
    page.wait_for_timeout(50)
    page.evaluate(
        """async () => {
          const text = await (await fetch(location.href)).text();
          const next = new DOMParser().parseFromString(text, "text/html").getElementById("main");
          document.getElementById("main").replaceChildren(...next.childNodes);
        }"""
    )
    page.wait_for_function("() => document.getElementById('map').classList.contains('scripted')")
    place = "(map => [map.scrollLeft, map.scrollTop])(document.getElementById('map'))"
    assert page.evaluate(place) == [200, 150]


def test_a_flow_and_a_trail_light_their_edges(open_page):
    page = open_page()
    page.goto("/map")
    assert page.locator("#map a.edge.lit").count() == 0
    page.select_option("select[name=flow]", label="order-fulfilment")
    page.click("button:has-text('Highlight')")
    page.wait_for_url("**/map?flow=order-fulfilment")
    assert page.locator("#map a.edge.lit").count() >= 8
    page.goto("/trails/order-1003")
    page.click("a[href*='/map?trail=']")
    page.wait_for_url("**/map?trail=order-1003")
    lit = page.locator("#map a.edge.lit").evaluate_all("all => all.map(link => link.getAttribute('href'))")
    assert any("topic=orders&target=inventory" in href for href in lit)
    assert not any("topic=shipments" in href for href in lit), "it was never shipped"


def test_the_legend_promises_just_what_is_drawn(open_forty, open_page):
    for page in (open_forty(1440), open_forty(1440, f"/map?flow={FLOW}"), open_page()):
        if not page.url.startswith("http"):
            page.goto("/map")
        drawn = page.evaluate(
            """() => {
              const has = selector => document.querySelector(selector) !== null;
              const kinds = [".node.service", ".node.topic", ".node.warn", ".node.bad", ".edge.rest", ".edge.warn",
                ".edge.bad", ".edge.lit"];
              return kinds.filter(kind => has(`#map ${kind}`) !== has(`.legend ${kind}`));
            }"""
        )
        assert drawn == []


@pytest.mark.slow(20)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_and_what_is_behind_it_fit_and_have_nothing_serious_for_axe(open_forty, axe, scheme):
    behind = ("/map/edge?source=a", "/map/topic?name=rabbitmq:service-03.events.v2", "/lag?group=a")
    for path in ("/map", f"/map?flow={FLOW}", *behind):
        page = open_forty(1440, path, color_scheme=scheme, bypass_csp=True)
        page.evaluate(axe)
        result = page.evaluate(
            "axe.run({resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
        )
        assert [
            f"{path}: {item['id']} {item['nodes'][0]['target']} {item['nodes'][0]['failureSummary']}"
            for item in result["violations"]
            if item["impact"] in ("serious", "critical")
        ] == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
