"""Tables of what flows: which types on which topics, and which service reacts to them. Few rows each."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE published (
  topic TEXT NOT NULL,
  type TEXT NOT NULL,
  service TEXT NOT NULL,
  version TEXT NOT NULL,
  events INTEGER NOT NULL,
  keyed INTEGER NOT NULL,
  keyed_by_subject INTEGER NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  PRIMARY KEY (topic, type, service, version)
) WITHOUT ROWID;
CREATE TABLE published_position (event_row INTEGER NOT NULL);
INSERT INTO published_position VALUES (0);
CREATE TABLE readings (
  topic TEXT NOT NULL,
  type TEXT NOT NULL,
  service TEXT NOT NULL,
  events INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  PRIMARY KEY (topic, type, service)
) WITHOUT ROWID
""",
)
