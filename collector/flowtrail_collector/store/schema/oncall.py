"""What the page for people on call asks for, and what it remembers."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # Written only as an instance ends so; those that are open, or completed, cost nothing.
    """
CREATE INDEX sagas_ended_badly ON sagas (ended_ms)
 WHERE outcome != 'open' AND outcome != 'completed' AND outcome != 'retired'
""",
    # What is wrong, or was within half an hour: a few rows, written when one begins or ends, and once a minute.
    """
CREATE TABLE oncall_troubles (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  noticed_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  seen_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID
""",
)
