"""Tables of history: packed samples, and how counters stood at the last one. Times are seconds since the epoch.

`written` differs from write to write.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE history_blocks (
  of_what TEXT NOT NULL,
  step INTEGER NOT NULL,
  start INTEGER NOT NULL,
  written INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (of_what, step, start)
);
CREATE TABLE history_standing (
  id INTEGER PRIMARY KEY,
  slot INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  body BLOB NOT NULL
)
""",
)
