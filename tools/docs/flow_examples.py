"""docs/flow-examples.md: flows of real life, each with events, and what happens to them.

python -m tools.docs.flow_examples > docs/flow-examples.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from flowtrail_collector.cli._app import cli
from tools.docs.blocks import ROOT

FOLDER = ROOT / "docs" / "flows"
ORDER = ("booking", "credit", "claim", "shipments", "children", "retries", "subscription", "return", "delivery",
         "onboarding", "release", "ride")  # fmt: skip
_INTRODUCTION = """# Twelve flows

Each is a flow file and a list of events in `docs/flows`, to begin from and to play with: change a line and see \
what happens. In a checkout:

```sh
flowtrail flows check docs/flows/claim.yaml
flowtrail flows try docs/flows/claim.yaml docs/flows/claim.txt
```

What the keys mean is told in [flow files](flows.md). What is printed below each one is when, which flow and instance, \
what came, and how the instance stands then.
"""


def page() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRODUCTION, *map(_example, ORDER)])


def files_of(name: str) -> tuple[Path, Path]:
    """The flow file and the events of an example."""
    return FOLDER / f"{name}.yaml", FOLDER / f"{name}.txt"


def endings_of(events: Path) -> dict[str, str]:
    """How each instance ends, as the file of events says; those that follow each other, one `, then` the other."""
    return dict(re.findall(r"^# (\S+) ends as (.+)$", events.read_text(encoding="utf-8"), re.MULTILINE))


def _example(name: str) -> str:
    flow_file, events = files_of(name)
    heading, said, rest = _parts(flow_file.read_text(encoding="utf-8"))
    happened = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["flows", "try", str(flow_file), str(events)])
    ends = ", ".join(f"`{key}` ends as {outcome}" for key, outcome in endings_of(events).items())
    return (
        f"## {heading}\n\n{said}\n\n```yaml\n{rest}```\n\n{ends}"
        f" ([{name}.yaml](flows/{name}.yaml), [{name}.txt](flows/{name}.txt)):\n\n```text\n{happened.output}```\n"
    )


def _parts(text: str) -> tuple[str, str, str]:
    """The heading, the sentences, and the file itself."""
    lines = text.splitlines(keepends=True)
    said = list(_comments(lines))
    return said[0], " ".join(said[1:]), "".join(lines[len(said) :])


def _comments(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line.removeprefix("#").strip()


if __name__ == "__main__":
    sys.stdout.write(page())
