"""A collector's core as a program that a test may kill: `python -m sagakit SERVERS STORE FLOWS`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.sqlite.database import SqliteDatabase


def main(servers: str, path: str, flow_file: str, topics: str) -> None:
    database = SqliteDatabase(Path(path))
    store = SqliteStore(database)
    flows = load_flows(flow_file)
    ingest = Ingest(store, flows)
    connection = read_connection(servers)
    tail = KafkaTail(
        connection, ingest, store, topics=topics, dead_letter_topics=rf"(?=.*\.dlq$)(?:{topics})"
    )
    supervisor = Supervisor(
        [tail, Sweeper(store, flows, interval_seconds=0.2)],
        on_error=lambda part, error: print(part, repr(error), file=sys.stderr),
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    supervisor.start()
    print("started", flush=True)
    stop.wait()
    supervisor.stop()
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
