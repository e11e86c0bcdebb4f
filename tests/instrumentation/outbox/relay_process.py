"""Adds events to an outbox and relays them, until it is killed: `relay_process.py BROKER DATABASE COUNT`."""

import sqlite3
import sys
import time

import flowtrail


def main(broker: str, database: str, count: int) -> None:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(database, timeout=30)

    trail = flowtrail.Trail("orders", broker)
    outbox = trail.outbox(connect)
    connection = connect()
    with connection:
        outbox.create_table(connection)
        connection.execute("CREATE TABLE IF NOT EXISTS state (number INTEGER PRIMARY KEY, event_id, time)")
    with trail.running():
        print("running", flush=True)
        done = connection.execute("SELECT COUNT(*) FROM state").fetchone()[0]
        for number in range(done, count):
            with connection:
                event_id = outbox.add(
                    connection,
                    "orders",
                    {"number": number},
                    type="OrderPlaced",
                    subject=f"o-{number % 5}",
                    sequence=number // 5,
                )
                connection.execute("INSERT INTO state VALUES (?, ?, ?)", (number, event_id, time.time()))
            time.sleep(0.001)
        while outbox.pending(connection):
            time.sleep(0.02)
    connection.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
