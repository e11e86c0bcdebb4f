"""Tables of spans and of edges between services.

Span ids are bytes, times nanoseconds; `received_s` counts seconds since the epoch. `event_row` is a rowid of
`events`.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE span_resources (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  service TEXT NOT NULL,
  attributes TEXT NOT NULL
);
CREATE INDEX span_resources_by_service ON span_resources (service);
CREATE TABLE spans (
  id INTEGER PRIMARY KEY,
  trace_id BLOB NOT NULL,
  span_id BLOB NOT NULL,
  parent_id BLOB,
  resource_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  status INTEGER NOT NULL,
  received_s INTEGER NOT NULL,
  detail TEXT NOT NULL
);
CREATE UNIQUE INDEX spans_by_trace ON spans (trace_id, span_id);
CREATE INDEX spans_by_time ON spans (resource_id, start_ns);
CREATE TABLE span_ids (
  value TEXT NOT NULL,
  trace_id BLOB NOT NULL,
  received_s INTEGER NOT NULL
);
CREATE UNIQUE INDEX span_ids_by_value ON span_ids (value, trace_id);
CREATE TABLE span_operations (
  service TEXT NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  PRIMARY KEY (service, name, kind)
) WITHOUT ROWID
""",
    """
CREATE TABLE edges (
  source TEXT NOT NULL,
  topic TEXT NOT NULL,
  target TEXT NOT NULL,
  events INTEGER NOT NULL,
  latency_seconds REAL NOT NULL,
  buckets TEXT NOT NULL,
  PRIMARY KEY (source, topic, target)
) WITHOUT ROWID;
CREATE TABLE edge_position (event_row INTEGER NOT NULL);
INSERT INTO edge_position VALUES (0);
CREATE TABLE edge_pending (event_row INTEGER PRIMARY KEY)
""",
    # A client and its server may share a span id (B3); what an exporter sends again has the same kind and resource.
    """
DROP INDEX spans_by_trace;
CREATE UNIQUE INDEX spans_by_trace ON spans (trace_id, span_id, kind, resource_id)
""",
    # Generators of ids that start alike (snapshots of a process, forks) give several spans the same one.
    """
DROP INDEX spans_by_trace;
CREATE UNIQUE INDEX spans_by_trace ON spans (trace_id, span_id, kind, resource_id, end_ns)
""",
    # A row for the spans of one trace that came together, and narrow rows of hashes that lead to traces. `found_by` has
    # the hashes that led to a pack, so that they can go with it. What an earlier version kept is taken over later.
    """
CREATE TABLE span_packs (
  id INTEGER PRIMARY KEY,
  trace INTEGER NOT NULL,
  trace_upper INTEGER NOT NULL,
  resource_id INTEGER NOT NULL,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  received_s INTEGER NOT NULL,
  spans INTEGER NOT NULL,
  span_ids BLOB NOT NULL,
  found_by BLOB NOT NULL,
  detail BLOB NOT NULL
);
CREATE INDEX span_packs_by_trace ON span_packs (trace);
CREATE INDEX span_packs_by_time ON span_packs (resource_id, last_ns);
CREATE TABLE span_keys (
  hash INTEGER NOT NULL,
  trace INTEGER NOT NULL,
  pack INTEGER NOT NULL,
  PRIMARY KEY (hash, trace)
) WITHOUT ROWID
""",
    # When something went over an edge last, which types went over it, and the last few of them: for whoever looks into it.
    """
ALTER TABLE edges ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;
CREATE TABLE edge_types (
  source TEXT NOT NULL,
  topic TEXT NOT NULL,
  target TEXT NOT NULL,
  cause_type TEXT NOT NULL,
  effect_type TEXT NOT NULL,
  events INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  PRIMARY KEY (source, topic, target, cause_type, effect_type)
) WITHOUT ROWID;
CREATE TABLE edge_crossings (
  source TEXT NOT NULL,
  topic TEXT NOT NULL,
  target TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (source, topic, target)
) WITHOUT ROWID
""",
    # Effects beyond those that are held in memory, found by a hash of the id of what they wait for. A backlog may have as
    # many as there are events; a store that keeps up has none.
    """
CREATE TABLE edge_aside (event_row INTEGER PRIMARY KEY, cause INTEGER NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX edge_aside_by_cause ON edge_aside (cause);
CREATE INDEX edge_aside_by_time ON edge_aside (at_ms)
""",
)
