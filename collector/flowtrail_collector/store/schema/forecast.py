"""The table of what is remembered of ended instances, to tell how long others will take: few rows for each flow."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE saga_histories (
  flow TEXT NOT NULL,
  slot INTEGER NOT NULL,
  shape TEXT NOT NULL,
  completed INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL,
  spans TEXT NOT NULL,
  PRIMARY KEY (flow, slot)
) WITHOUT ROWID
""",
)
