"""The store's contract on PostgreSQL, and what is PostgreSQL's own."""

from __future__ import annotations

import pytest

from flowtrail_collector.adapters.postgres.database import PostgresDatabase
from flowtrail_collector.adapters.postgres.store import PostgresStore
from storekit import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def opened(self, postgres):
        databases = []

        def open_store():
            databases.append(PostgresDatabase(postgres))
            return PostgresStore(databases[-1])

        yield open_store
        for database in databases:
            database.close()
