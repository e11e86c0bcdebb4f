"""What only PostgreSQL's schema needs, after the migrations of all databases."""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

MIGRATIONS: tuple[str, ...] = (
    # Each worker counts in rows of its own, or all would wait for each other's commits.
    """
ALTER TABLE counters ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters DROP CONSTRAINT counters_pkey;
ALTER TABLE counters ADD PRIMARY KEY (name, labels, shard);
ALTER TABLE counters SET (fillfactor = 50);
ALTER TABLE positions SET (fillfactor = 50);
ALTER TABLE sagas SET (fillfactor = 80);
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until TIMESTAMPTZ NOT NULL);
CREATE TABLE identity (id TEXT NOT NULL PRIMARY KEY);
INSERT INTO identity VALUES (substr(md5(random()::text || clock_timestamp()::text), 1, 8))
""",
    # What changes most is looked after before a fifth of it has changed: plans and free space stay good.
    """
ALTER TABLE sagas SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE counters SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000)
""",
    # Workers take numbers for a pack at once: 256, as many events as it has at most.
    """
CREATE SEQUENCE event_rows INCREMENT BY 256;
SELECT setval('event_rows', (SELECT coalesce(max(first_row + events), 1) FROM event_packs), false)
""",
)
