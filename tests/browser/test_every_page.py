"""Every page, narrow to 4K, light and dark: no horizontal scroll, no broken word, no error, nothing serious for axe."""

from __future__ import annotations

import re
import urllib.request
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from trailkit.site import SCREENSHOTS
from waiting import scaled

# One of each kind of page is enough.
_KINDS = (
    (re.compile(r"/trails/order-9\d\d"), None),
    (re.compile(r"/trails/(0198|flow-)"), None),
    (re.compile(r"/dead-letters/.+/\d+/\d+"), "a dead letter"),
    (re.compile(r"/redrives/.+"), "a redrive"),
)
_EXTRA = (
    "/trails/order-1001", "/trails/order-1002", "/trails/order-1003", "/trails/order-1004",
    "/trails/order-1005", "/sagas?outcome=failed", "/dead-letters?state=dismissed",
    "/map?flow=order-fulfilment", "/map/edge?topic=orders&target=inventory", "/map/topic?name=orders",
    "/lag?group=billing", "/history?window=6h&group=billing", "/history?window=1h&flow=order-fulfilment",
)  # fmt: skip
_NOT_PAGES = ("/api/", "/metrics", "/readyz", "/static/", "/live")
# It takes no time to look at other widths once the page is there.
_WINDOWS = {(320, "light"): (390, 320), (1280, "light"): (800, 1024, 1440, 1280)}
# Words up to a length that a line or column has room for, and how often each is spread over several lines.
_BROKEN_WORDS = """longest => {
  const broken = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const word of texts.currentNode.data.matchAll(/[^\\s-]+/g)) {
      if (word[0].length > longest) continue;
      const range = document.createRange();
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      const tops = [...range.getClientRects()].map(box => box.top);
      if (Math.max(...tops) - Math.min(...tops) > 4) broken.push(word[0]);
    }
  }
  return broken;
}"""


class _Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


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


@pytest.mark.slow(20)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280, 3840])
def test_every_page_fits_and_is_accessible(open_page, axe, paths, width, scheme):
    main = {"/oncall", "/map", "/lag", "/history", "/sagas", "/sagas/causes", "/dead-letters", "/collector"}
    assert main <= set(paths)
    page = open_page(width, scheme, bypass_csp=True)  # else axe itself couldn't be brought in
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found = []
    for path in paths:
        response = page.goto(path, wait_until="load")
        assert response.status == 200, path
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wider > 0:
            found.append(f"{path}: {wider} px too wide")
        for window in _WINDOWS.get((width, scheme), (width,)):
            page.set_viewport_size({"width": window, "height": 900})
            words = page.evaluate(_BROKEN_WORDS, 20 if window < 1000 else 36)
            found += [f"{path}: {word} is broken at {window} px" for word in words]
        if width < 3840 or path in ("/", "/map", "/trails/order-1003"):  # large pictures take long
            file = SCREENSHOTS / f"{_name(path)}-{width}-{scheme}.jpg"
            page.screenshot(path=file, type="jpeg", quality=80)
        # It looks at colours and structure, of which there is nothing new at other widths.
        if (width, scheme) not in ((320, "light"), (1280, "light"), (1280, "dark")):
            continue
        page.evaluate(axe)
        result = page.evaluate(
            "axe.run({resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
        )
        found += [
            f"{path}: {item['id']} ({item['impact']}) {node['target']} {node['failureSummary']}"
            for item in result["violations"]
            if item["impact"] in ("serious", "critical")
            for node in item["nodes"][:3]
        ]
    assert found == []
