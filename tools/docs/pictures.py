"""Retakes docs/images from a collector that runs: `make pictures` beside `make demo KEEP=1`.

Pages are taken as they are in a browser, so it needs Chromium; `trail.svg` is what `flowtrail trace` prints. The demo on
both brokers (`make demo BROKER=both KEEP=1`) gives `trail-both.png` and `map-both.png` instead: `make pictures BOTH=1`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from flowtrail_collector.cli._trail_view import TrailView

IMAGES = Path(__file__).parents[2] / "docs" / "images"
THEME = TerminalTheme(
    (16, 20, 28),
    (214, 220, 229),
    [(59, 66, 82), (224, 108, 117), (152, 195, 121), (229, 192, 123),
     (97, 175, 239), (198, 120, 221), (86, 182, 194), (171, 178, 191)],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as it looks on a screen.

    Attributes:
        name: Of the file, without its end.
        path: Of the page.
        width: Of the window, in pixels.
        scheme: `light` or `dark`.
        most: How many pixels of its height are taken at most.
    """

    name: str
    path: str
    width: int = 1440
    scheme: str = "light"
    most: int = 1600


def pictures(order: str, *, both: bool) -> Iterator[Picture]:
    """What is taken.

    Args:
        order: An order whose trail shows most of what a trail can.
        both: The demo runs on both brokers.
    """
    trail = f"/trails/{urllib.parse.quote(order, safe='')}"
    if both:
        yield from (Picture("trail-both", trail, 1280), Picture("map-both", "/map", 1280))
        return
    for name, path in {"overview": "/", "trail": trail}.items():
        yield Picture(f"console-{name}", path)
        yield Picture(f"console-{name}-dark", path, scheme="dark")
        yield Picture(f"console-{name}-phone", path, 390)
    yield Picture("console-map", "/map")
    yield Picture("console-trail-4k", trail, 3840)


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs.pictures", description="Retakes docs/images.")
    parser.add_argument(
        "order", nargs="?", help="whose trail; by default the one with most dead letters and retries"
    )
    parser.add_argument("--both", action="store_true", help="the demo runs on both brokers")
    asked = parser.parse_args()
    url = os.environ.get(
        "FLOWTRAIL_COLLECTOR_URL", "http://127.0.0.1:8190" if asked.both else "http://127.0.0.1:8090"
    )
    order = asked.order or _eventful(url)
    if not asked.both:
        _draw(url, order)
    with sync_playwright() as playwright:
        # Its sandbox needs a kernel feature that containers don't have; it only sees our own pages.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture in pictures(order, both=asked.both):
            _take(browser, url, picture)
        browser.close()


def _take(browser: Browser, url: str, picture: Picture) -> None:
    size = {"width": picture.width, "height": 600}
    page = browser.new_page(viewport=size, color_scheme=picture.scheme)  # type: ignore[arg-type] - ours
    page.goto(f"{url}{picture.path}")
    height = min(picture.most, page.evaluate("document.querySelector('footer').offsetTop"))
    clip = {"x": 0, "y": 0, "width": picture.width, "height": height}
    page.screenshot(path=IMAGES / f"{picture.name}.png", clip=clip, full_page=True)  # type: ignore[arg-type] - ours
    page.close()
    sys.stdout.write(f"{picture.name}.png: {picture.width} x {height}\n")


def _eventful(url: str) -> str:
    """The order of the newest dead letter, or of the newest instance."""
    for path, name in (("/api/v1/dead-letters?limit=1", "dead_letters"), ("/api/v1/sagas?limit=1", "sagas")):
        if found := _json(url, path)[name]:
            return str(found[0].get("subject") or found[0]["key"])
    raise SystemExit(f"the collector at {url} knows no order yet: run make demo KEEP=1 first")


def _draw(url: str, order: str) -> None:
    """`trail.svg`: a trail as `flowtrail trace` prints it."""
    trail = _json(url, f"/api/v1/trails/{urllib.parse.quote(order, safe='')}")["trail"]
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=124, file=nowhere, force_terminal=True, color_system="truecolor")
        TrailView(console, trail).print()
    svg = console.export_svg(title=f"$ flowtrail trace {order}", theme=THEME, unique_id="trail")
    # No font is fetched from anywhere: the reader's own monospace will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    (IMAGES / "trail.svg").write_text(re.sub(r"[ \t]+\n", "\n", svg), encoding="utf-8")
    sys.stdout.write("trail.svg\n")


def _json(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}") as answer:  # noqa: S310 - a local collector
        return json.load(answer)


if __name__ == "__main__":
    main()
