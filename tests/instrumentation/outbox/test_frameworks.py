"""Outbox and inbox on the connections of Django and SQLAlchemy: state and event commit together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from django.db import connections
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import sessionmaker

import flowtrail
from flowtrail.testing import MemoryBroker, MemoryClient
from instrumentation.outbox.neighbours import NEIGHBOURS, Neighbour, use
from waiting import until


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/service.db"
    found: str = request.getfixturevalue("postgres")
    return found


@pytest.fixture(params=list(NEIGHBOURS.values()), ids=list(NEIGHBOURS))
def neighbour(request: pytest.FixtureRequest, url: str) -> Iterator[Neighbour]:
    with contextmanager(request.param)(url) as made:
        yield made


class _ChangedMindError(Exception):
    pass


@contextmanager
def _rolled_back(neighbour: Neighbour) -> Iterator[Any]:
    with suppress(_ChangedMindError), neighbour.transaction() as connection:
        yield connection
        raise _ChangedMindError


def test_what_commits_with_the_state_is_published_and_nothing_else(neighbour: Neighbour) -> None:
    broker = MemoryBroker()
    trail = flowtrail.Trail("orders", client=MemoryClient(broker))
    outbox = trail.outbox(neighbour.connect)

    def add(connection: Any, subject: str) -> str:
        event_id: str = use(
            connection,
            lambda given: outbox.add(given, "orders", {"cents": 5}, type="OrderPlaced", subject=subject),
        )
        return event_id

    for _ in range(2):
        with neighbour.transaction() as connection:
            use(connection, outbox.create_table)
    with _rolled_back(neighbour) as connection:
        add(connection, "o-0")
    with neighbour.transaction() as connection:
        ids = [add(connection, f"o-{number}") for number in (1, 2)]
        assert use(connection, outbox.pending) == 2
    with trail.running():
        records = until(lambda: len(found := broker.records("orders")) >= 2 and found, "the relay")
        until(lambda: _pending(neighbour, outbox) == 0, "what was published to be deleted")
    trail.close()
    headers = [dict(record.headers) for record in records]
    assert [found["ce_id"].decode() for found in headers] == ids
    assert [found["ce_subject"] for found in headers] == [b"o-1", b"o-2"]
    assert [record.value for record in records] == [b'{"cents":5}'] * 2


def _pending(neighbour: Neighbour, outbox: flowtrail.Outbox) -> int:
    with neighbour.transaction() as connection:
        waiting: int = use(connection, outbox.pending)
        return waiting


def test_an_event_that_comes_again_is_known_unless_its_transaction_failed(neighbour: Neighbour) -> None:
    inbox = flowtrail.Inbox("billing")
    event = _Event()
    with neighbour.transaction() as connection:
        use(connection, inbox.create_table)
    with _rolled_back(neighbour) as connection:
        assert use(connection, lambda given: inbox.accept(given, event))
    for expected in (True, False):
        with neighbour.transaction() as connection:
            assert use(connection, lambda given: inbox.accept(given, event)) is expected
    with neighbour.transaction() as connection:
        assert use(connection, lambda given: inbox.forget(given, older_than_seconds=-60)) == 1


class _Event:
    id, source, subject, sequence = "e-1", "/orders", "o-1", 1


def test_django_outside_of_a_transaction_is_refused(url: str) -> None:
    with contextmanager(NEIGHBOURS["django"])(url) as django:
        outbox = flowtrail.Trail("orders", client=MemoryClient(MemoryBroker())).outbox(django.connect)
        with django.transaction() as connection:
            outbox.create_table(connection)
        with pytest.raises(flowtrail.ConfigurationError, match=r"with transaction\.atomic\(\)"):
            outbox.add(connection, "orders", {}, type="OrderPlaced")
        with pytest.raises(flowtrail.ConfigurationError, match=r"with transaction\.atomic\(\)"):
            flowtrail.Inbox("billing").accept(connection, _Event())
        assert outbox.pending(connection) == 0


def test_a_database_that_is_not_supported_is_refused_by_name() -> None:
    outbox = flowtrail.Trail("orders", client=MemoryClient(MemoryBroker())).outbox(lambda: None)  # type: ignore[arg-type, return-value]
    mysql = sqlalchemy.create_mock_engine("mysql://", lambda *_: None)
    session = sessionmaker(mysql)()  # type: ignore[call-overload]
    with pytest.raises(flowtrail.ConfigurationError, match=r"SQLite and PostgreSQL.* mysql"):
        outbox.create_table(session)


def test_a_session_of_coroutines_says_how_it_is_used() -> None:
    outbox = flowtrail.Trail("orders", client=MemoryClient(MemoryBroker())).outbox(lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(flowtrail.ConfigurationError, match=r"await session\.run_sync"):
        outbox.add(AsyncSession(), "orders", {}, type="OrderPlaced")


@pytest.fixture(scope="module", autouse=True)
def _no_connection_left() -> Iterator[None]:
    yield
    connections.close_all()
