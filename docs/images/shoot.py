"""Takes `trail-both.png` and `map-both.png`: `python docs/images/shoot.py ORDER_ID` beside `make demo BROKER=both KEEP=1`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main() -> None:
    """Open the console's pages as wide as the other pictures are."""
    order = sys.argv[1]
    url = os.environ.get("FLOWTRAIL_COLLECTOR_URL", "http://127.0.0.1:8190")
    pages = {"trail-both": f"/trails/{order}", "map-both": "/map"}
    with sync_playwright() as playwright:
        # Its sandbox needs a kernel feature that containers don't have; it only sees our own pages.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, path in pages.items():
            page = browser.new_page(viewport={"width": 1280, "height": 600})
            page.goto(f"{url}{path}")
            height = page.evaluate("document.querySelector('footer').offsetTop")
            clip = {"x": 0, "y": 0, "width": 1280, "height": height}
            page.screenshot(path=Path(__file__).with_name(f"{name}.png"), clip=clip, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
