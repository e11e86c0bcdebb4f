"""Measures taken in a browser: words that are broken, boxes that lie on each other, lines that are too long."""

from __future__ import annotations

__all__ = ["BROKEN_WORDS", "LONG_LINES", "OVERLAPS"]

BROKEN_WORDS = """longest => {
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

OVERLAPS = """() => {
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

LONG_LINES = """most => [...document.querySelectorAll("main p, main li")]
  .filter(item => item.textContent.trim().length > most)
  .filter(item => item.getBoundingClientRect().width / parseFloat(getComputedStyle(item).fontSize) > most / 2)
  .map(item => item.textContent.trim().slice(0, 60))"""
"""Paragraphs whose lines have room for more characters than an eye finds its way back over."""
