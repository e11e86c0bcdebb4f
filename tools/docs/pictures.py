"""Retakes docs/images.

`make pictures` takes the console's pages over a collector with trouble of all kinds, which it starts itself (the one that
the browser tests look at). `make pictures DEMO=1`, beside `make demo KEEP=1`, draws `trail.svg`: what `flowtrail trace`
prints. `make pictures BOTH=1`, beside `make demo BROKER=both KEEP=1`, takes `trail-both.png` and `map-both.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, FloatRect, ViewportSize, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from flowtrail_collector.cli._trail_view import TrailView
from trailkit.site import site

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
    scheme: Literal["light", "dark"] = "light"
    most: int = 1600


TROUBLED = "order-1003"
"""An order that was dead-lettered and is stuck."""


def pages(order: str) -> Iterator[Picture]:
    """The console's pages, as screens of several sizes and both schemes show them."""
    trail = f"/trails/{order}"
    for name, path in {"overview": "/", "trail": trail}.items():
        yield Picture(f"console-{name}", path)
        yield Picture(f"console-{name}-phone", path, 390)
    yield Picture("console-overview-dark", "/", scheme="dark")
    yield Picture("console-map", "/map")
    yield Picture("console-trail-4k", trail, 3840)


def main() -> None:
    """Take what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs.pictures", description="Retakes docs/images.")
    parser.add_argument("--demo", action="store_true", help="trail.svg, from a demo that runs")
    parser.add_argument(
        "--both", action="store_true", help="trail-both and map-both, from a demo on both brokers"
    )
    asked = parser.parse_args()
    url = os.environ.get("FLOWTRAIL_COLLECTOR_URL", "http://127.0.0.1:8190")
    if asked.demo:
        _draw(url, _newest(url, "compensated"))
    elif asked.both:
        trail = f"/trails/{_newest(url, 'completed')}"
        _take(url, [Picture("trail-both", trail, 1280), Picture("map-both", "/map", 1280)])
    else:
        with tempfile.TemporaryDirectory() as folder, site(Path(folder), trouble=True) as own:
            _take(own, pages(TROUBLED))


def _take(url: str, pictures: Iterable[Picture]) -> None:
    with sync_playwright() as playwright:
        # Its sandbox needs a kernel feature that containers don't have; it only sees our own pages.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture in pictures:
            _shoot(browser, url, picture)
        browser.close()


def _shoot(browser: Browser, url: str, picture: Picture) -> None:
    size: ViewportSize = {"width": picture.width, "height": 600}
    page = browser.new_page(viewport=size, color_scheme=picture.scheme)
    page.goto(f"{url}{picture.path}")
    height = min(picture.most, page.evaluate("document.querySelector('footer').offsetTop"))
    clip: FloatRect = {"x": 0, "y": 0, "width": picture.width, "height": height}
    page.screenshot(path=IMAGES / f"{picture.name}.png", clip=clip, full_page=True)
    page.close()
    sys.stdout.write(f"{picture.name}.png: {picture.width} x {height}\n")


def _newest(url: str, outcome: str) -> str:
    """The order number of the newest instance that ended so."""
    found = _json(url, f"/api/v1/sagas?outcome={outcome}&limit=1")["sagas"]
    if not found:
        raise SystemExit(f"no order is {outcome} at {url}: run make demo KEEP=1 first")
    return urllib.parse.quote(found[0]["key"], safe="")


def _draw(url: str, order: str) -> None:
    """`trail.svg`: a trail as `flowtrail trace` prints it."""
    trail = _json(url, f"/api/v1/trails/{order}")["trail"]
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
