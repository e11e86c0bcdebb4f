"""What the tests of orderflow share."""

import itertools
import sqlite3
from pathlib import Path
from typing import Any

from flowtrail import Event
from orderflow.platform import Settings

_numbers = itertools.count(1)


def settings(service: str, folder: Path) -> Settings:
    """Settings of a service that never reaches its broker."""
    return Settings(service, "127.0.0.1:9", folder)


def event(
    type: str, data: Any, *, version: int | None = 1, subject: str = "ORD-000001", **rest: Any
) -> Event[Any]:
    """An event as a handler gets it."""
    number = next(_numbers)
    fields = {
        "id": f"event-{number}", "type": type, "source": "/test", "time": None, "subject": subject,
        "sequence": 1, "correlation_id": "flow-1", "causation_id": None,
        "dataschema": None if version is None else f"{type}/{version}", "content_type": "application/json",
        "data": data, "key": subject.encode(), "topic": "test", "partition": 0, "offset": number,
        "timestamp": None, "headers": [],
    }  # fmt: skip
    return Event(**{**fields, **rest})


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in a service's database."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def outbox(database: Path) -> int:
    """How many events wait to be published."""
    (count,) = rows(database, "SELECT COUNT(*) FROM flowtrail_outbox")[0]
    return int(count)
