"""Every page, from a phone to 4K, light and dark: nothing wider than the window, no word broken, nothing on top of each
other, no line without end, no error, nothing serious for axe."""

from __future__ import annotations

import re
import urllib.request
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from lookkit import inaccessible, measured
from trailkit.site import SCREENSHOTS, site
from trailkit.trouble import GROUP, PLACES, UUID_ORDER
from waiting import scaled

_MAIN = {
    "/oncall", "/map", "/lag", "/history", "/sagas", "/sagas/causes", "/dead-letters", "/redrives", "/collector",
}  # fmt: skip
# One of each kind of page is enough.
_KINDS = (
    (re.compile(r"/trails/order-9\d\d"), None),
    (re.compile(r"/trails/(0198|flow-).*"), None),
    (re.compile(r"/dead-letters/.+/\d+/\d+"), "a dead letter"),
    (re.compile(r"/redrives/.+"), "a redrive"),
)
_EXTRA = (
    "/trails/order-1001", "/trails/order-1002", "/trails/order-1003", "/trails/order-1004",
    "/trails/order-1005", "/sagas?outcome=failed", "/dead-letters?state=dismissed",
    "/map?flow=order-fulfilment", "/map/edge?topic=orders&target=inventory", "/map/topic?name=orders",
    "/history?window=6h&group=billing", "/history?window=1h&flow=order-fulfilment",
    "/lag?group=billing", "/lag?group=billing&group=inventory", "/lag?group=nobody", "/lag?group=", f"/lag?group={GROUP}", f"/trails/{UUID_ORDER}", "/trails/order-1008", "/search?q=order-10",
    "/dead-letters?state=pending&group=billing", "/dead-letters/redrive?state=pending",
    "/dead-letters/dismiss?state=pending", "/dead-letters/redrive?group=nobody",
    *(f"/dead-letters/{topic}/0/0" for topic in PLACES),
)  # fmt: skip
_UNKNOWN = ("/trails/order-10zz", "/nowhere")
_NOT_PAGES = ("/api/", "/metrics", "/readyz", "/static/", "/live")
# It takes no time to look at other widths once the page is there.
_WINDOWS = {(390, "light"): (320, 390), (1440, "light"): (800, 1024, 1280, 1440)}

# No test takes much longer than others.
_PARTS = 3


class _Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


@pytest.fixture(scope="module")
def console_url(tmp_path_factory):
    """A collector with trouble of all kinds."""
    with site(tmp_path_factory.mktemp("trouble"), show_payloads=True, trouble=True) as url:
        yield url


@pytest.fixture(scope="module")
def paths(console_url):
    """All pages that links lead to from the first one."""
    known, kinds = dict.fromkeys(["/", *_EXTRA]), set()
    waiting = list(known)
    while waiting:
        path = waiting.pop()
        with urllib.request.urlopen(console_url + path, timeout=scaled(10)) as answer:
            links = _Links(answer.read().decode()).found
        for link in links:
            parts = urlsplit(urljoin(console_url + path, link))
            if not link.startswith(("/", "?")) or parts.query or parts.path.startswith(_NOT_PAGES):
                continue
            kind = next((name for pattern, name in _KINDS if pattern.fullmatch(parts.path)), parts.path)
            if kind is None or kind in kinds or parts.path in known:
                continue
            kinds.add(kind)
            known[parts.path] = None
            waiting.append(parts.path)
    return list(known)


def _name(path: str) -> str:
    return re.sub(r"\W+", "-", path).strip("-") or "overview"


@pytest.mark.slow(15)
@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440, 3840])
def test_every_page_fits_and_is_accessible(open_page, axe, paths, width, scheme, part):
    assert set(paths) >= _MAIN
    page = open_page(width, scheme, bypass_csp=True)  # else axe itself couldn't be brought in
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found = []
    for path in (*paths, *_UNKNOWN)[part::_PARTS]:
        response = page.goto(path, wait_until="load")
        assert response.status == (404 if path in _UNKNOWN else 200), path
        for window in _WINDOWS.get((width, scheme), (width,)):
            page.set_viewport_size({"width": window, "height": 2160 if window == 3840 else 900})
            found += [f"{path} at {window} px: {wrong}" for wrong in measured(page, window)]
        page.screenshot(path=SCREENSHOTS / f"{_name(path)}-{width}-{scheme}.jpg", type="jpeg", quality=80)
        # It looks at colours and structure, of which there is nothing new on the largest screen.
        if width < 3840 or scheme == "dark":
            found += [f"{path}: {wrong}" for wrong in inaccessible(page, axe)]
    assert not found, "\n".join(found)
