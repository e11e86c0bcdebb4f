"""`python -m dashboards.source` writes the dashboards and their page; `--check` says whether they are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.source import PAGES, render
from dashboards.source.reference import reference

FOLDER = Path(__file__).resolve().parents[1] / "grafana"
PAGE = FOLDER.parents[1] / "docs" / "dashboards.md"


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    wanted = {f"{page.uid}.json": render(page) for page in PAGES}
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in arguments:
        stale = sorted(name for name in wanted.keys() | present if wanted.get(name) != present.get(name))
        for name in stale:
            sys.stderr.write(f"dashboards/grafana/{name} is not what dashboards/source makes\n")
        stale_page = PAGE.read_text(encoding="utf-8") != reference()
        if stale_page:
            sys.stderr.write("docs/dashboards.md is not what dashboards/source makes\n")
        return 1 if stale or stale_page else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    PAGE.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
