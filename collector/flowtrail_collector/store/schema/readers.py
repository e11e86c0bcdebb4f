"""The table of who reads what; times are milliseconds since the epoch, version 0 is unknown."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE contract_readers (
  digest TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  consumer_group TEXT NOT NULL,
  topic TEXT NOT NULL,
  type TEXT NOT NULL,
  version INTEGER NOT NULL,
  contracts TEXT NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX contract_readers_by_age ON contract_readers (last_ms)
""",
)
