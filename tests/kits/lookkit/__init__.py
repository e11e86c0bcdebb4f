"""Measures taken in a browser: words that are broken, boxes that lie on each other, lines that are too long; and what
axe says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playwright.sync_api import Page

__all__ = ["WIDTHS", "inaccessible", "looked_at", "measured"]

WIDTHS = (320, 390, 800, 1024, 1280, 1440, 3840)
"""Widths of windows: phones, tablets, laptops, 4K."""
_MOST_CHARACTERS = 180
_LEAST_USED = 0.75
"""Of the width of a 4K screen."""

_BROKEN_WORDS = """longest => {
  const broken = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    if (texts.currentNode.parentElement.closest(".hidden")) continue;
    const name = texts.currentNode.parentElement.closest("a, code, h1.long, .whole, .badge, th, summary");
    // An id or a name is one word; prose may go on behind a hyphen.
    for (const word of texts.currentNode.data.matchAll(name ? /[^\\s]+/g : /[^\\s-]+/g)) {
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
"""Words up to a length that a line or column has room for, and that are spread over several lines."""

_OVERLAPS = """() => {
  const boxes = [], seen = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true})
    && !element.closest(".hidden, .skip, svg.map, .list thead:not([class])") ;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("script, style, title, desc, option") || !seen(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const found = element.closest("svg") ? [element.getBoundingClientRect()] : [...range.getClientRects()];
    for (const box of found) boxes.push({element, box, text: texts.currentNode.data.trim().slice(0, 40)});
  }
  for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, .badge, progress, meter")) {
    if (seen(element)) boxes.push({element, box: element.getBoundingClientRect(), text: element.name || element.className});
  }
  boxes.sort((a, b) => a.box.top - b.box.top);
  const wrong = [];
  boxes.forEach((one, at) => {
    for (let next = at + 1; next < boxes.length && boxes[next].box.top < one.box.bottom - 2; next++) {
      const other = boxes[next];
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const width = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const height = Math.min(one.box.bottom, other.box.bottom) - other.box.top;
      if (width > 2 && height > 3) wrong.push(`${one.text} | ${other.text}`);
    }
  });
  return wrong;
}"""
"""Pairs of texts and controls that lie on each other; a map has its own test."""

_LONG_LINES = """most => [...document.querySelectorAll("main p, main li")]
  .filter(item => item.textContent.trim().length > most)
  .filter(item => item.getBoundingClientRect().width / parseFloat(getComputedStyle(item).fontSize) > most / 2)
  .map(item => item.textContent.trim().slice(0, 60))"""
"""Paragraphs whose lines have room for more characters than an eye finds its way back over."""


def measured(page: Page, width: int) -> Iterator[str]:
    """What is wrong with the boxes of a page, in a window of so many pixels."""
    wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wider > 0:
        yield f"{wider} px too wide"
    for word in page.evaluate(_BROKEN_WORDS, 24 if width < 390 else 36):
        yield f"{word} is broken"
    for pair in page.evaluate(_OVERLAPS):
        yield f"overlap: {pair}"
    for text in page.evaluate(_LONG_LINES, _MOST_CHARACTERS):
        yield f"a line is too long: {text}"
    if width == 3840:
        used = page.evaluate(
            "document.querySelector('main').getBoundingClientRect().width / window.innerWidth"
        )
        if used < _LEAST_USED:
            yield f"only {used:.0%} of the screen is used"


def inaccessible(page: Page, axe: str) -> Iterator[str]:
    """What is serious for axe.

    Args:
        page: Opened with `bypass_csp`: else axe itself can't be brought in.
        axe: Its script.
    """
    page.evaluate(axe)
    result = page.evaluate(
        "axe.run({resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
    )
    for item in result["violations"]:
        if item["impact"] in ("serious", "critical"):
            for node in item["nodes"][:3]:
                yield f"{item['id']} ({item['impact']}) {node['target']} {node['failureSummary']}"


def looked_at(page: Page, axe: str, widths: Sequence[int] = WIDTHS) -> list[str]:
    """What is wrong with the page that is open, in windows of all these widths; axe on a phone and on a laptop."""
    # What a button led to may be there before its style sheet.
    page.wait_for_load_state("load")
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 2160 if width == 3840 else 900})
        wrong = [*measured(page, width), *(inaccessible(page, axe) if width in (390, 1440) else ())]
        found += [f"{page.title()} at {width} px: {each}" for each in wrong]
    return found
