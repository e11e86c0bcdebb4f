"""A collector's desks over one dead letter, payloads shown."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.mending.desk import MendingDesk
from flowtrail_collector.dead_letters.mending.ports import Contracts
from flowtrail_collector.dead_letters.mending.web import mending_routes
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.edits import SqlEdits
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.routes import DeskRoutes, dead_letter_routes
from flowtrail_collector.events.contracts import RegisteredContracts
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from redrivekit import FakeKafka, keep

WRITE = "w" * 24


class Mended(contextlib.ExitStack):
    """Desks, routes and a client of them.

    Args:
        folder: For the store.
        headers: Of the dead letter.
        value: Of the dead letter.
        contracts: What payloads are read by.
        key: Of the dead letter.
    """

    def __init__(
        self,
        folder: Path,
        headers: Sequence[tuple[str, bytes | None]],
        value: bytes | None,
        contracts: Contracts | None = None,
        *,
        key: bytes | None = b"key",
    ) -> None:
        super().__init__()
        self.database = SqliteDatabase(folder / "store.sqlite")
        self.callback(self.database.close)
        self.store, self.kafka = SqlRedrive(self.database), FakeKafka(orders=1)
        keep(self.database, [self.kafka.bury(0, headers, value=value, key=key)])
        self.redriver = Redriver(self.store, self.kafka)
        self.desk = RedriveDesk(self.store, self.kafka)
        self.mending = MendingDesk(
            self.store, SqlEdits(self.database), self.kafka, contracts or RegisteredContracts(None),
            on_job=self.redriver.wake,
        )  # fmt: skip
        self.reads = TrailReads(self.database, Flows())
        self.routes = [
            *DeskRoutes(self.desk).routes(), *dead_letter_routes(self.reads), *mending_routes(self.mending),
        ]  # fmt: skip
        self.app = build_app(self.routes, token=None, local=True, on_error=lambda part, error: None)
        self.url = ""  # of whoever serves the app
        self.client = TestClient(self.app, base_url="http://127.0.0.1")

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        """What a POST answers."""
        response = self.client.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    def get(self, path: str, status: int = 200) -> Any:
        """What a GET answers."""
        response = self.client.get(path)
        assert response.status_code == status, response.text
        return response.json()

    def work(self) -> None:
        """Let the redriver do the oldest job."""
        job = self.store.next_job()
        assert job is not None
        self.redriver._do(job, threading.Event())
