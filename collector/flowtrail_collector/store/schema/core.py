"""Tables of events, sagas, dead letters, counters and positions. Times are milliseconds since the epoch."""

from __future__ import annotations

from flowtrail_collector.store.schema.causing import note_causes
from flowtrail_collector.store.schema.packing import pack_events
from flowtrail_collector.store.schema.steps import Step

MIGRATIONS: tuple[Step, ...] = (
    """
CREATE TABLE positions (
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  watermark_ms INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE events (
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  position INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  source TEXT,
  subject TEXT,
  sequence INTEGER,
  correlation_id TEXT,
  causation_id TEXT,
  time_ms INTEGER,
  timestamp_ms INTEGER,
  trace_id TEXT,
  span_id TEXT,
  dataschema TEXT,
  key TEXT,
  dead_letter BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX events_by_id ON events (event_id);
CREATE INDEX events_by_subject ON events (subject) WHERE subject IS NOT NULL;
CREATE INDEX events_by_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX events_by_trace ON events (trace_id) WHERE trace_id IS NOT NULL;
CREATE TABLE sagas (
  flow TEXT NOT NULL,
  key TEXT NOT NULL,
  subject TEXT,
  outcome TEXT NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER,
  updated_ms INTEGER NOT NULL,
  waiting TEXT NOT NULL DEFAULT '',
  waiting_since_ms INTEGER,
  next_deadline_ms INTEGER,
  breached TEXT NOT NULL DEFAULT '',
  flags INTEGER NOT NULL DEFAULT 0,
  events BLOB NOT NULL,
  PRIMARY KEY (flow, key)
);
CREATE INDEX sagas_by_subject ON sagas (subject) WHERE subject IS NOT NULL;
CREATE INDEX sagas_by_key ON sagas (key);
CREATE INDEX sagas_due ON sagas (next_deadline_ms) WHERE next_deadline_ms IS NOT NULL;
CREATE INDEX sagas_by_outcome ON sagas (flow, outcome, waiting, waiting_since_ms);
CREATE TABLE dead_letters (
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  position INTEGER NOT NULL,
  convention TEXT NOT NULL,
  event_id TEXT,
  type TEXT,
  subject TEXT,
  correlation_id TEXT,
  source_topic TEXT,
  source_partition INTEGER,
  source_offset INTEGER,
  source_timestamp_ms INTEGER,
  consumer_group TEXT,
  attempts INTEGER,
  replays INTEGER,
  error_type TEXT,
  error_message TEXT,
  failed_ms INTEGER,
  timestamp_ms INTEGER,
  state TEXT NOT NULL DEFAULT 'pending',
  PRIMARY KEY (topic, partition, position)
) WITHOUT ROWID;
CREATE INDEX dead_letters_by_event ON dead_letters (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX dead_letters_by_correlation ON dead_letters (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX dead_letters_by_time ON dead_letters (state, timestamp_ms);
CREATE TABLE counters (
  name TEXT NOT NULL,
  labels TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (name, labels)
) WITHOUT ROWID
""",
    """
CREATE TABLE topics (topic TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID
""",
    """
CREATE INDEX sagas_by_update ON sagas (updated_ms)
""",
    # Covers what the metrics ask for, in the order they group it: a million open instances take half a second.
    """
DROP INDEX sagas_by_outcome;
CREATE INDEX sagas_by_outcome ON sagas
  (outcome, flow, waiting, waiting_since_ms, started_ms, breached, flags)
""",
    # The instances that need attention, however many others there are.
    """
CREATE INDEX sagas_breached ON sagas (updated_ms) WHERE outcome = 'open' AND breached != ''
""",
    # The same put so that SQLite prefers it to the index of outcomes, and a sort of all that are open.
    """
DROP INDEX sagas_breached;
CREATE INDEX sagas_breached ON sagas (updated_ms) WHERE ended_ms IS NULL AND breached != ''
""",
    # By which rules of the flow file what is open was last looked at.
    """
CREATE TABLE flow_rules (flow TEXT PRIMARY KEY, rules TEXT NOT NULL) WITHOUT ROWID
""",
    """
ALTER TABLE dead_letters ADD COLUMN oversize TEXT
""",
    # Which cluster the positions are of, what was read up to each of them, and the instances without a start.
    """
CREATE TABLE cluster (id TEXT PRIMARY KEY) WITHOUT ROWID;
ALTER TABLE positions ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN without_type INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN without_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN mapping_problems INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN last_ms INTEGER;
CREATE INDEX sagas_partial ON sagas (updated_ms) WHERE ended_ms IS NULL AND started_ms IS NULL
""",
    # Instances that follow each other under one key; -1: not known of those that an earlier version wrote.
    """
ALTER TABLE sagas ADD COLUMN instance INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sagas ADD COLUMN repeated_starts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sagas ADD COLUMN late_events INTEGER NOT NULL DEFAULT -1
""",
    # Which types of event were counted for a flow as they were read: rows of `events` from the first one on, before
    # the last one; without it, all since.
    """
CREATE TABLE followed_types (
  flow TEXT NOT NULL,
  type TEXT NOT NULL,
  first_row INTEGER NOT NULL,
  until_row INTEGER,
  PRIMARY KEY (flow, type, first_row)
) WITHOUT ROWID
""",
    # Events in packs, and hashes of their ids instead of an index of each. `events` is how many numbers a pack takes
    # up, those of events that were forgotten included.
    """
CREATE TABLE event_packs (
  first_row INTEGER PRIMARY KEY,
  events INTEGER NOT NULL,
  newest_ms INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX event_packs_by_age ON event_packs (newest_ms);
CREATE TABLE event_ids (key INTEGER NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY (key, pack)) WITHOUT ROWID
""",
    pack_events,
    """
DROP TABLE events
""",
    # Why each dead letter died, so that those of one cause are found and counted without looking at the others.
    """
ALTER TABLE dead_letters ADD COLUMN cause TEXT
""",
    note_causes,
    """
CREATE INDEX dead_letters_by_cause ON dead_letters (state, cause, timestamp_ms)
""",
    # Names in code and codes of errors tell causes apart.
    note_causes,
    # In which change of dead letters each came to its state: what somebody counted is what hasn't changed since.
    """
ALTER TABLE dead_letters ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE dead_letter_changes (number INTEGER NOT NULL);
INSERT INTO dead_letter_changes VALUES (0)
""",
    # Numbers after words such as "code", fields with a digit in their name, and keys tell causes apart.
    note_causes,
)
