"""A service that is killed: `worker_process.py BROKER DATABASE INPUT SESSION_MS`.

Group `INPUT-by-hand` publishes from the handler; group `INPUT-inbox` notes an effect exactly once, and publishes through
an outbox.
"""

import sqlite3
import sys
import time
from typing import Any

import flowtrail


def main(broker: str, database: str, topic: str, session_ms: str) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(database, timeout=30)
        # What a process has written survives its death without a sync; only the machine's own would need one.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    # A killed member is missed soon: the next process needn't wait longer for its partitions.
    client_settings = {"consumer": {"session_timeout_ms": int(session_ms), "heartbeat_interval_ms": 250}}
    trail = flowtrail.Trail("worker", broker, client_settings=client_settings)
    outbox = trail.outbox(connect)
    inbox = flowtrail.Inbox(f"{topic}-inbox")
    setup = connect()
    with setup:
        outbox.create_table(setup)
        inbox.create_table(setup)
        setup.execute("CREATE TABLE IF NOT EXISTS effects (event_id TEXT)")
    setup.close()

    @trail.consumer(topic, group=f"{topic}-by-hand")
    def direct(event: flowtrail.Event[Any]) -> None:
        time.sleep(0.001)
        trail.publish(f"{topic}-direct", {"number": event.data["number"]}, type="Done", subject=event.subject)

    connections: list[sqlite3.Connection] = []

    @trail.consumer(topic, group=f"{topic}-inbox")
    def once(event: flowtrail.Event[Any]) -> None:
        if not connections:
            connections.append(connect())
        with connections[0] as connection:
            if inbox.accept(connection, event):
                connection.execute("INSERT INTO effects VALUES (?)", (event.id,))
                outbox.add(connection, f"{topic}-outbox", event.data, type="Done", subject=event.subject)

    print("running", flush=True)
    trail.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
