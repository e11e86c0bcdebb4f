"""Fixtures for everything that runs on the collector's database, whichever that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.sql import Database
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from pagekit import pages_watched


@pytest.fixture(autouse=True)
def every_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test is about: no metrics page that is shown meanwhile has a series twice."""
    with pages_watched(monkeypatch):
        yield


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def sql_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database, once SQLite and once PostgreSQL."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(tmp_path / "store.sqlite")
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres"))
    yield database
    database.close()
