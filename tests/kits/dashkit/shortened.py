"""The rules with minutes made seconds, so that a test can see them fire.

What is changed, and nothing else: every `for:` becomes one second, every window and `offset` a few seconds, and the
thresholds that are durations (lag objective, age of a dead letter, of the watermark and of the lag figures) seconds.
"""

from __future__ import annotations

import re
from pathlib import Path

from dashkit.files import RULE_FILES

WINDOW_SECONDS = 15
_CHANGES = (
    (r"\bfor: \w+", "for: 1s"),
    (r"\[\d+[mhd]\]", f"[{WINDOW_SECONDS}s]"),
    (r"\boffset \d+[mhd]\b", f"offset {WINDOW_SECONDS}s"),
    (r"> 4 \* 3600", "> 1"),
    (r"_age_seconds\) > 120", "_age_seconds) > 3"),
    (r"expr: 300 \+", "expr: 3 +"),
)


def shortened_rules(folder: Path) -> list[Path]:
    """Write them into a folder; their paths."""
    written = []
    for path in RULE_FILES:
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in _CHANGES:
            text = re.sub(pattern, replacement, text)
        written.append(folder / path.name)
        written[-1].write_text(text, encoding="utf-8")
    return written
