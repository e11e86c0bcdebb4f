"""Draws `trail.svg`: `python docs/images/draw.py ORDER_ID` beside `make demo KEEP=1`."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from flowtrail_collector.cli._trail_view import TrailView

THEME = TerminalTheme(
    (16, 20, 28),
    (214, 220, 229),
    [(59, 66, 82), (224, 108, 117), (152, 195, 121), (229, 192, 123),
     (97, 175, 239), (198, 120, 221), (86, 182, 194), (171, 178, 191)],
)  # fmt: skip


def main() -> None:
    """Ask the collector for a trail and draw it as `flowtrail trace` prints it."""
    order = sys.argv[1]
    url = os.environ.get("FLOWTRAIL_COLLECTOR_URL", "http://127.0.0.1:8090")
    with urllib.request.urlopen(f"{url}/api/v1/trails/{order}") as answer:  # noqa: S310 - a local collector
        trail = json.load(answer)["trail"]
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=124, file=nowhere, force_terminal=True, color_system="truecolor")
        TrailView(console, trail).print()
    svg = console.export_svg(title=f"$ flowtrail trace {order}", theme=THEME, unique_id="trail")
    # No font is fetched from anywhere: the reader's own monospace will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    Path(__file__).with_name("trail.svg").write_text(re.sub(r"[ \t]+\n", "\n", svg), encoding="utf-8")


if __name__ == "__main__":
    main()
