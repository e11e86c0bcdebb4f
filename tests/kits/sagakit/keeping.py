"""The collector's own reading and sweeping over a store that keeps rows in memory: a family is played in a millisecond.

The same player runs on a real store, so that a sample shows that the two keep alike.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter

from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.sagas.model.instance import SagaKey
from flowtrail_collector.sagas.sql.rows import to_record, to_row
from flowtrail_collector.sagas.sweep import Sweeper
from sagakit.playing import glances, stand

__all__ = ["Kept", "Player"]

_NEVER_MS = 10**15
_OUTCOME, _DUE = 3, 9  # places in a row


class Kept:
    """What reading and sweeping need of a store, and of a transaction in it."""

    def __init__(self):
        self.rows, self.counts, self.rules, self.until_ms = {}, Counter(), {}, None

    @contextlib.contextmanager
    def unit(self):
        yield self

    def every_saga(self):
        return [to_record(row) for row in self.rows.values()]

    def watermark_ms(self):
        return self.until_ms

    def advance(self, advances, seen=None):
        for advance in advances:
            self.until_ms = advance.watermark_ms

    def add_events(self, events, hash_of=None):
        pass

    def load_sagas(self, keys):
        return {key: to_record(self.rows[key]) for key in keys if key in self.rows}

    def take_sagas(self, keys):
        return self.load_sagas(keys), set()

    def save_sagas(self, sagas):
        for row in map(to_row, sagas):
            self.rows[SagaKey(*row[:2])] = row

    def settle_sagas(self, sagas):
        self.save_sagas(sagas)

    def complete_sagas(self, sagas):
        self.save_sagas(sagas)

    def count(self, increments):
        self.counts.update(increments)

    def _due(self, until_ms):
        return [row for row in self.rows.values() if row[_DUE] is not None and row[_DUE] <= until_ms]

    def due_sagas(self, until_ms, limit, flows, *, others):
        due = [row for row in self._due(until_ms) if (row[0] in flows) != others]
        return [to_record(row) for row in sorted(due, key=lambda row: row[_DUE])[:limit]]

    def first_due_ms(self, until_ms, besides):
        return min((row[_DUE] for row in self._due(until_ms) if row[0] not in besides), default=None)

    def known_rules(self):
        return dict(self.rules)

    def remember_rules(self, flow, rules):
        self.rules[flow] = rules

    def flows_with_open_sagas(self):
        return list({row[0] for row in self.rows.values() if row[_OUTCOME] == "open"})

    def open_sagas(self, flow, after, limit):
        open_ones = [
            row for row in self.rows.values() if row[0] == flow and row[_OUTCOME] in ("open", "retired")
        ]
        records = [to_record(row) for row in sorted(open_ones) if row[1] > after][:limit]
        return glances(records), records[-1].row_key if records else None

    def note_open(self, flow, looked):
        keys = {key for _, key in (*looked.due, *looked.standings)}
        for saga in self.load_sagas([SagaKey(flow, key) for key in keys]).values():
            stand(saga, looked)
            self.save_sagas([saga])

    def keep_histories(self, flow, shape, histories):
        return _NEVER_MS

    def histories(self, flow, shape):
        return []

    def newest_ended(self, flow, limit):
        return []


class Player:
    """A collector that is driven by hand.

    Args:
        store: Where it keeps what it knows.
        flows: What it follows.
    """

    def __init__(self, store, flows):
        self.store, self.read = store, None
        self.restart(flows)

    def restart(self, flows):
        """What is kept is all that is left; flows may be others from now on."""
        self._ingest = Ingest(self.store, flows, time_seconds=lambda: _NEVER_MS)
        self._sweeper = Sweeper(self.store, flows)

    def take(self, records):
        """Read some records."""
        self._ingest.apply(records, ())

    def sweep(self, now_ms):
        """Everything until then has been read."""
        self._ingest.apply((), [Advance("t", 0, self.read, 0, now_ms)])
        self.read = 0
        self.look()

    def look(self):
        """Look at what time has decided."""
        self._sweeper.sweep()


def record_of(number, event, place):
    """A record that tells of an event of a family.

    Args:
        number: Which one it is.
        event: A `sagakit.families.Event`.
        place: Where a start names its parent, as the flow file says it.
    """
    flow, key, parent, (at, kind, value) = event
    payload = {"id": value} if value and not kind.startswith("N") else {}
    payload |= {"n": int(value)} if kind.startswith("N") else {}
    payload |= {"parent": parent} if parent else {}
    correlation = key if flow == "f" else parent if place == "correlation" and parent else f"own-{number}"
    headers = {"ce_id": f"e{number}", "ce_type": flow + kind, "ce_source": "/family", "ce_subject": "s",
               "ce_correlationid": correlation}  # fmt: skip
    encoded = json.dumps(payload).encode()
    pairs = [(name, text.encode()) for name, text in headers.items()]
    return Incoming("t", 0, number, at, key.encode(), pairs, value=lambda: encoded)
