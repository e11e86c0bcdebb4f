"""docs/api.md: what the API answers, asked of a collector that has read three orders.

python -m tools.docs.api_examples > docs/api.md
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.catalog.sql import SqlCatalog
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.ports import Job, JobState, Order
from flowtrail_collector.dead_letters.web.json import job_json
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.history.model.windows import MINUTE
from flowtrail_collector.history.sampler import Sampler
from flowtrail_collector.history.sources import LagSource
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.history.view import History
from flowtrail_collector.history.web import history_routes
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.lag import LagView
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.readers.model import ReaderKey
from flowtrail_collector.readers.sql import SqlReaders
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.sql import SqlTopology
from tools.docs.blocks import ROOT, blocks_of
from tools.docs.collector._metrics import example_reading

START_MS = 1_769_854_800_000  # 2026-01-31T10:20:00Z
_INTRODUCTION = """# The API by example

Made by a collector that has read three orders of the [flow file](flows.md) on these pages: the first one is done, the \
second one is stuck because billing gave it up, the third one has only just been placed. Every path with everything it \
takes is in the [reference](reference-collector.md#http). Names are only ever added; ignore unknown ones.

Times are RFC 3339 in UTC, spans of time seconds, anything unknown is `null`. With a token, each request carries \
`Authorization: Bearer TOKEN`.
"""
_REQUESTS = {
    "One order": ("GET", "/api/v1/trails/ORD-2", None),
    "Sagas": ("GET", "/api/v1/sagas?stuck=true", None),
    "What is stuck, by cause": ("GET", "/api/v1/sagas/causes", None),
    "Flows": ("GET", "/api/v1/flows", None),
    "Another flow file": (
        "POST",
        "/api/v1/flows/diff",
        {
            "old": "flows: {order-fulfilment: {starts: OrderPlaced, completes: OrderShipped}}",
            "new": "flows: {order-fulfilment: {starts: OrderPlaced, completes: OrderShipped, within: 20m}}",
        },
    ),
    "Ids that begin so": ("GET", "/api/v1/search?prefix=ORD-", None),
    "Consumer groups": ("GET", "/api/v1/lag", None),
    "One consumer group": ("GET", "/api/v1/lag?group=billing", None),
    "Dead letters": ("GET", "/api/v1/dead-letters?state=pending", None),
    "Dead letters by cause": ("GET", "/api/v1/dead-letters/causes", None),
    "Dead letters of an order": ("GET", "/api/v1/dead-letters/find?id=ORD-2", None),
    "Dismissing": (
        "POST",
        "/api/v1/dead-letters/dismiss",
        {"id": "ORD-2", "note": "refunded by hand", "by": "ann"},
    ),
    "Who did what": ("GET", "/api/v1/dead-letters/audit", None),
    "Which service reacts to which": ("GET", "/api/v1/topology", None),
    "What went over an edge last": ("GET", "/api/v1/topology/crossings?source=orders&target=inventory", None),
    "How lag went within the last hour": ("GET", "/api/v1/history/lag?window=1h&group=billing", None),
    "What flows, and who reads it": ("GET", "/api/v1/catalog", None),
    "Who reads what": ("GET", "/api/v1/readers?type=OrderPlaced", None),
    "What was read of each topic": ("GET", "/api/v1/topics", None),
    "A collector that doesn't reach Kafka yet": ("GET", "/api/v1/status", None),
    "A mistake": ("GET", "/api/v1/sagas?outcome=late", None),
}
# Asked of the readings below.
_OF_LAG = ("/api/v1/lag", "/api/v1/history")
# What differs from run to run, or comes from how the question is asked here.
_CHANGING = {
    "uptime_seconds": 86_400.0, "store_bytes": 1_048_576, "version": "0.1.0", "at": "2026-01-31T11:00:00.000000Z",
    "from": "127.0.0.1", "until_offset_seconds": 2_200.0,
}  # fmt: skip


def page() -> str:
    """The page, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return "\n".join([_INTRODUCTION, *_examples(Path(folder))])


def _examples(folder: Path) -> Iterator[str]:
    flows_file = folder / "flows.yaml"
    block = next(block for block in blocks_of(ROOT / "docs" / "flows.md") if block.language == "yaml")
    flows_file.write_text(block.text, encoding="utf-8")
    config = CollectorConfig(
        KafkaConfig("kafka:9092"), flows=flows_file, store=folder / "store.sqlite", speedups="off"
    )
    collector = build_collector(config)
    try:
        _read(collector.database, flows_file)
        view = LagView(clock=lambda: START_MS / 1000 + 2400)
        view.publish([example_reading(START_MS / 1000 + 2399)], START_MS / 1000 + 2400, ())
        sampled = _sampled(collector.database, view)
        lag = TestClient(Starlette(routes=[*lag_routes(view), *sampled]))
        web = TestClient(collector.app, base_url="http://127.0.0.1:8090")
        for title, (method, path, body) in _REQUESTS.items():
            answer = (lag if path.startswith(_OF_LAG) else web).request(method, path, json=body)
            text = json.dumps(_steady(answer.json()), indent=2, ensure_ascii=False)
            sent = f" with `{json.dumps(body)}`" if body else ""
            status = f" answers {answer.status_code}" if answer.status_code != 200 else ""
            if path.endswith("/audit"):
                yield _redrive()
            yield f"## {title}\n\n`{method} {path}`{sent}{status}\n\n```json\n{_compact(text)}\n```\n"
    finally:
        collector.close()


def _sampled(database: Any, view: LagView) -> list[BaseRoute]:
    """History of the last minutes, at the time of the readings."""
    clock = [START_MS / 1000 + 2_220]
    samples = SqlSamples(database)
    sampler = Sampler([LagSource(view, 15.0)], samples, time_seconds=lambda: clock[0])
    while clock[0] < START_MS / 1000 + 2_460:
        sampler.sample()
        clock[0] += MINUTE
    return history_routes(History(samples), time_seconds=lambda: clock[0])


def _redrive() -> str:
    order = Order(Selection(group="billing", state="pending"), rate=50.0, actor="ann")
    job = Job(
        "7b0c5f1e", order, JobState.RUNNING, total=120, redriven=95, quarantined=2, refused=1,
        created_ms=START_MS, updated_ms=START_MS + 2_000, refusals={"no topic inventory-old": 1},
    )  # fmt: skip
    text = json.dumps(job_json(job, None), indent=2)
    return (
        "## A redrive\n\n"
        '`POST /api/v1/dead-letters/redrive` with `{"group": "billing", "rate": 50, "by": "ann"}` answers 202 and this,'
        f" `GET /api/v1/redrives/7b0c5f1e` a moment later\n\n```json\n{text}\n```\n"
    )


def _read(database: Any, flows_file: Path) -> None:
    flows, store = load_flows(flows_file), SqliteStore(database)
    records = list(_records())
    ingest = Ingest(store, flows, time_seconds=lambda: START_MS / 1000 + 2400)
    until = START_MS + 2_400_000
    ingest.apply(
        records, [Advance("orders", 0, None, 10, until), Advance("inventory.billing.dlq", 0, None, 1, until)]
    )
    Sweeper(store, flows).sweep()
    learning = Learning(database, (SqlTopology(database), SqlCatalog(database)))
    while learning.learn():
        pass
    reader = ReaderKey("inventory", "inventory", "orders", "OrderPlaced", 2, "folder")
    SqlReaders(database).note({reader: START_MS + 100_900})


def _records() -> Iterator[Incoming]:
    names = {"OrderPlaced": "orders", "StockReserved": "inventory", "PaymentCompleted": "billing",
             "OrderConfirmed": "orders", "OrderShipped": "fulfillment"}  # fmt: skip
    offset = 0
    for number, steps in ((1, 5), (2, 2), (3, 1)):
        cause = None
        for step, (kind, service) in enumerate(list(names.items())[:steps]):
            at = START_MS + number * (100_000 if number < 3 else 798_000) + step * 1_500
            event_id = f"event-{number}{step + 1}"
            topic = {"billing": "payments", "fulfillment": "shipments"}.get(service, service)
            yield Incoming(
                topic, 0, offset, at, b"ORD-%d" % number, _headers(kind, service, number, event_id, cause)
            )
            if number == 2 and kind == "StockReserved":
                yield Incoming(
                    "inventory.billing.dlq", 0, 0, at + 4_000, b"ORD-2",
                    [*_headers(kind, service, number, event_id, cause), *_died(at + 4_000, offset)], dead_letter=True,
                )  # fmt: skip
            cause, offset = event_id, offset + 1


def _headers(
    kind: str, service: str, number: int, event_id: str, cause: str | None
) -> list[tuple[str, bytes]]:
    values = {
        "ce_specversion": "1.0", "ce_id": event_id, "ce_type": kind, "ce_source": f"/{service}",
        "ce_subject": f"ORD-{number}", "ce_correlationid": f"flow-{number}", "ce_causationid": cause,
    }  # fmt: skip
    return [(name, value.encode()) for name, value in values.items() if value]


def _died(at: int, offset: int) -> Sequence[tuple[str, bytes]]:
    values = {
        "dlq.topic": "inventory", "dlq.partition": "0", "dlq.offset": str(offset), "dlq.group": "billing",
        "dlq.attempts": "4", "dlq.error.type": "TimeoutError", "dlq.error.message": "the bank did not answer",
        "dlq.failed_at": "2026-01-31T10:23:25Z", "dlq.replays": "0",
    }  # fmt: skip
    return [(name, value.encode()) for name, value in values.items()]


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _CHANGING.get(name, _steady(item)) for name, item in value.items()}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def _compact(text: str) -> str:
    """Lists of plain values on one line."""
    return re.sub(r"\[\s+((?:\"[^\"]*\"|null|[\d.]+)(?:,\s+(?:\"[^\"]*\"|null|[\d.]+))*)\s+\]",
                  lambda match: "[" + re.sub(r",\s+", ", ", match[1]) + "]", text)  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(page())
