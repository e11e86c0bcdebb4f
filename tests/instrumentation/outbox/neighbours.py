"""Databases as other frameworks hand them out: what `Outbox.add` and the relay's `connect` are given."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, NamedTuple

import django
import psycopg
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

Connect = Callable[[], Any]
Transaction = Callable[[], AbstractContextManager[Any]]


class Neighbour(NamedTuple):
    """One way to a database.

    Attributes:
        connect: Opens a connection for the relay.
        transaction: Hands out a connection in a transaction, which an exception rolls back.
    """

    connect: Connect
    transaction: Transaction


class OwnConnection(sqlite3.Connection):
    """A class of the service's own, as a `factory=`."""


def is_sqlite(url: str) -> bool:
    """Whether a URL leads to a file."""
    return url.startswith("sqlite:///")


def _driver(url: str) -> Iterator[Neighbour]:
    def connect() -> Any:
        if is_sqlite(url):
            return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10, factory=OwnConnection)
        return psycopg.connect(url)

    @contextmanager
    def in_transaction() -> Iterator[Any]:
        with closing(connect()) as connection, connection:
            yield connection

    yield Neighbour(connect, in_transaction)


def _django(url: str) -> Iterator[Neighbour]:
    if not settings.configured:
        settings.configure(USE_TZ=True, LOGGING_CONFIG=None)
        django.setup()
    alias = f"db{uuid.uuid4().hex}"
    if is_sqlite(url):
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    else:
        found = sqlalchemy.make_url(url)
        database = {
            "ENGINE": "django.db.backends.postgresql", "NAME": found.database or "", "USER": found.username or "",
            "PASSWORD": found.password or "", "HOST": str(found.host or found.query.get("host", "")),
            "PORT": str(found.port or found.query.get("port", "")),
        }  # fmt: skip
    connections.databases[alias] = connections.configure_settings({"default": {}, alias: database})[alias]

    @contextmanager
    def in_transaction() -> Iterator[Any]:
        with transaction.atomic(using=alias):
            yield connections[alias]

    yield Neighbour(lambda: connections.create_connection(alias), in_transaction)
    connections[alias].close()


@contextmanager
def _engine(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        yield engine
    finally:
        engine.dispose()


def _session(url: str) -> Iterator[Neighbour]:
    with _engine(url) as engine:
        yield Neighbour(engine.connect, sessionmaker(engine).begin)


def _scoped_session(url: str) -> Iterator[Neighbour]:
    with _engine(url) as engine:
        session = scoped_session(sessionmaker(engine))

        @contextmanager
        def in_transaction() -> Iterator[Any]:
            try:
                with session.begin():
                    yield session
            finally:
                session.remove()

        yield Neighbour(lambda: Session(engine), in_transaction)


def _connection(url: str) -> Iterator[Neighbour]:
    with _engine(url) as engine:
        yield Neighbour(engine.connect, engine.begin)


def _pooled(url: str) -> Iterator[Neighbour]:
    with _engine(url) as engine:

        @contextmanager
        def in_transaction() -> Iterator[Any]:
            with closing(engine.raw_connection()) as connection:
                yield connection
                connection.commit()

        yield Neighbour(engine.raw_connection, in_transaction)


def _async_session(url: str) -> Iterator[Neighbour]:
    """A coroutine's session: the block runs where `run_sync` runs it."""
    address = url.replace("postgresql://", "postgresql+psycopg://").replace("sqlite:", "sqlite+aiosqlite:")

    with _engine(url) as engine, asyncio.Runner() as runner:
        asynchronous = create_async_engine(address)

        @contextmanager
        def in_transaction() -> Iterator[Any]:
            session = AsyncSession(asynchronous)
            try:
                yield _ThroughRunSync(runner, session)
                runner.run(session.commit())
            finally:
                runner.run(session.close())

        yield Neighbour(engine.connect, in_transaction)
        runner.run(asynchronous.dispose())


class _ThroughRunSync:
    """Marks a session whose use has to go through `run_sync`."""

    def __init__(self, runner: asyncio.Runner, session: AsyncSession) -> None:
        self._runner = runner
        self._session = session

    def run(self, function: Callable[[Any], Any]) -> Any:
        return self._runner.run(self._session.run_sync(function))


def use(connection: Any, function: Callable[[Any], Any]) -> Any:
    """Call a function with a connection, the way that this one is used."""
    return connection.run(function) if isinstance(connection, _ThroughRunSync) else function(connection)


NEIGHBOURS = {
    "driver": _driver,
    "django": _django,
    "sqlalchemy session": _session,
    "sqlalchemy scoped session": _scoped_session,
    "sqlalchemy connection": _connection,
    "sqlalchemy pooled": _pooled,
    "sqlalchemy async session": _async_session,
}
