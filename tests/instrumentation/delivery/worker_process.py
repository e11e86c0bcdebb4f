"""A service that is killed: `worker_process.py BROKER DATABASE INPUT CLIENT CLIENT_SETTINGS`, the last one as JSON.

Group `INPUT-by-hand` publishes from the handler, and gives up the events that say `"bad"`; group `INPUT-inbox` notes
an effect exactly once, and publishes through an outbox.
"""

import json
import sqlite3
import sys
import time
from typing import Any

import flowtrail


def main(broker: str, database: str, topic: str, client: str, client_settings: str) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(database, timeout=30)
        # What a process has written survives its death without a sync; only the machine's own would need one.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    trail = flowtrail.Trail("worker", broker, client=client, client_settings=json.loads(client_settings))
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
        if event.data.get("bad"):
            raise ValueError("bad")
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
