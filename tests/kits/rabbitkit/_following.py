"""A collector in this process that follows a corner of a server."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from flowtrail_collector.app import Collector, build_collector
from flowtrail_collector.conditions import remarks, unready
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings, RabbitConfig, WebConfig
from flowtrail_collector.settings.rabbitmq import Copy
from rabbitkit._corner import Corner
from storekit.events import stored_events

_FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing, within: 60s}
    completes: PaymentCompleted
"""


class Following:
    """A collector with a store in a file, started and stopped as often as one likes.

    Args:
        corner: what it follows.
        folder: where its store is.
        kafka: bootstrap servers to follow beside; empty for none.
        url: another URL than the corner's own.
        lag: lag settings.
        flows: text of the flow file.
        copy: which events it follows.
    """

    def __init__(
        self,
        corner: Corner,
        folder: Path,
        *,
        kafka: str = "",
        url: str = "",
        management: str = "",
        lag: LagSettings | None = None,
        flows: str = _FLOWS,
        copy: Copy = "routed",
    ) -> None:
        self.path = folder / "store.sqlite"
        (folder / "flows.yaml").write_text(flows, encoding="utf-8")
        self.config = CollectorConfig(
            KafkaConfig(kafka, topics=corner.exchanges, dead_letter_topics=rf"{corner.name}\..*\.dlq"),
            rabbitmq=RabbitConfig(
                url or corner.place.url,
                management=management or corner.place.management,
                exchanges=corner.exchanges,
                copy=copy,
                queue=corner.stream,
            ),
            flows=folder / "flows.yaml",
            store=self.path,
            web=WebConfig(listen="127.0.0.1:0"),
            lag=lag or LagSettings(groups=corner.name, interval_seconds=1.0),
        )
        self._collector: Collector | None = None

    @property
    def collector(self) -> Collector:
        """The one that runs."""
        assert self._collector is not None
        return self._collector

    def start(self) -> None:
        """Build it from what its store says, and start it."""
        self._collector = build_collector(self.config)
        self._collector.supervisor.start()

    def stop(self) -> None:
        """Stop it; its store stays."""
        collector, self._collector = self._collector, None
        if collector is not None:
            collector.close()

    def __enter__(self) -> Following:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def problem(self, part: str = "rabbitmq") -> str:
        """What keeps a part from working; empty when all is well."""
        found = unready(self.collector.supervisor.conditions()).get(part)
        return (found and found.reason) or ""

    def remark(self) -> str:
        """What the part that reads has to say although it works; empty for nothing."""
        found = remarks(self.collector.supervisor.conditions()).get("rabbitmq")
        return (found and found.reason) or ""

    def api(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """What the API answers; None for what isn't there, or not yet."""
        client = TestClient(self.collector.app, base_url="http://127.0.0.1")
        answer = client.request(method, f"/api/v1/{path}", json=body)
        if answer.status_code in (404, 503):
            return None
        assert answer.status_code < 400, answer.text
        return json.loads(answer.content)

    def metrics(self) -> str:
        """The page of metrics."""
        return TestClient(self.collector.app, base_url="http://127.0.0.1").get("/metrics").text

    def events(self) -> Counter[tuple[str, str]]:
        """How often each (topic, event id) was kept, as the store has it."""
        database = self.collector.store._database  # type: ignore[attr-defined]
        return Counter((event.topic, event.event_id) for event in stored_events(database).values())

    def watermark_ms(self) -> int:
        """Until when everything was read."""
        return self.collector.store.watermark_ms() or 0


def started_sagas(path: Path) -> int:
    """How many instances a store has."""
    with sqlite3.connect(path) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM sagas").fetchall()
    return int(count)
