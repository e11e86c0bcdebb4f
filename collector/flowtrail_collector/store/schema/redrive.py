"""Tables of redrives and of the audit. Lines of the audit are added, never changed or removed."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE redrive_jobs (
  id TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  bounds TEXT NOT NULL,
  state TEXT NOT NULL,
  total INTEGER NOT NULL,
  redriven INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  refusals TEXT NOT NULL DEFAULT '{}',
  cursor_topic TEXT,
  cursor_partition INTEGER,
  cursor_position INTEGER,
  revision INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  ended_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX redrive_jobs_by_state ON redrive_jobs (state, created_ms);
CREATE TABLE redrive_audit (
  at_ms INTEGER NOT NULL,
  job TEXT,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  position INTEGER NOT NULL,
  event_id TEXT,
  target_topic TEXT,
  target_partition INTEGER,
  target_offset INTEGER,
  replays INTEGER,
  note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX redrive_audit_by_place ON redrive_audit (topic, partition, position);
CREATE INDEX redrive_audit_by_target ON redrive_audit (target_topic, target_partition, target_offset);
CREATE INDEX redrive_audit_by_job ON redrive_audit (job) WHERE job IS NOT NULL;
CREATE TABLE redrive_counts (
  topic TEXT NOT NULL,
  source_topic TEXT NOT NULL,
  consumer_group TEXT NOT NULL,
  action TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (topic, source_topic, consumer_group, action)
) WITHOUT ROWID;
CREATE TABLE write_audit (
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  remote TEXT NOT NULL,
  action TEXT NOT NULL,
  detail TEXT NOT NULL
)
""",
    # The replacement goes when the job ends; who changed what, and why, stays.
    """
CREATE TABLE redrive_edits (
  job TEXT PRIMARY KEY,
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  position INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  diff TEXT NOT NULL,
  replacement TEXT
) WITHOUT ROWID;
CREATE INDEX redrive_edits_by_place ON redrive_edits (topic, partition, position)
""",
)
