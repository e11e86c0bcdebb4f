"""What the five services do together, asserted from the bytes on the topics."""

import sqlite3
import uuid

import pytest

from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.owners import as_written
from flowtrail_collector.sagas.sql.reads import SagaReads
from orderflow.recommendations import often_bought_with
from sagakit import core
from shopkit.shop import Seen, Shop
from shopkit.sink import sink
from tools.docs.blocks import ROOT
from waiting import scaled, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture
def spans(monkeypatch):
    with sink() as spans:
        monkeypatch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", spans.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield spans


@pytest.fixture
def shop(broker, spans, tmp_path):
    with Shop(broker, f"shop-{uuid.uuid4().hex[:8]}", tmp_path) as shop:
        yield shop


NORMAL = [
    ("OrderPlaced", None),
    ("StockReserved", "OrderPlaced"),
    ("PaymentCompleted", "StockReserved"),
    ("OrderConfirmed", "PaymentCompleted"),
    ("OrderShipped", "OrderConfirmed"),
    ("CustomerNotified", "OrderPlaced"),
    ("CustomerNotified", "OrderShipped"),
]
DECLINED = [
    ("OrderPlaced", None),
    ("StockReserved", "OrderPlaced"),
    ("PaymentFailed", "StockReserved"),
    ("StockReleased", "PaymentFailed"),
    ("OrderCancelled", "PaymentFailed"),
    ("CustomerNotified", "OrderPlaced"),
    ("CustomerNotified", "OrderCancelled"),
]
OUT_OF_STOCK = [
    ("OrderPlaced", None),
    ("StockReservationFailed", "OrderPlaced"),
    ("OrderCancelled", "StockReservationFailed"),
    ("CustomerNotified", "OrderPlaced"),
    ("CustomerNotified", "OrderCancelled"),
]
SOURCES = {
    "OrderPlaced": "/orders", "OrderConfirmed": "/orders", "OrderCancelled": "/orders",
    "StockReserved": "/inventory", "StockReservationFailed": "/inventory", "StockReleased": "/inventory",
    "PaymentCompleted": "/billing", "PaymentFailed": "/billing", "OrderShipped": "/fulfillment",
    "CustomerNotified": "/customers",
}  # fmt: skip

FORMATS = {"OrderPlaced": "application/avro", "PaymentCompleted": "application/protobuf"}


def causes(records: list[Seen]) -> list[tuple[str | None, str | None]]:
    """(type, type of the causing event) of each."""
    types = {item.header("ce_id"): item.type for item in records}
    assert len(types) == len(records)
    return [(item.type, types.get(item.header("ce_causationid"))) for item in records]


@pytest.mark.parametrize(
    ("customer", "body", "version", "expected"),
    [
        ("CUS-0001", {"lines": [{"sku": "MUG-BLUE", "quantity": 2}]}, "2", NORMAL),
        ("CUS-0001", {"sku": "MUG-BLUE", "quantity": 2}, "1", NORMAL),
        ("CUS-0013", {"sku": "MUG-BLUE", "quantity": 2}, "1", DECLINED),
        ("CUS-0001", {"lines": [{"sku": "LAMP-LIMITED", "quantity": 2}]}, "2", OUT_OF_STOCK),
    ],
    ids=["normal", "normal-version-1", "card-declined", "out-of-stock"],
)
def test_an_order_in_bytes(shop, spans, customer, body, version, expected):
    placed = shop.order(customer, **body)
    records = shop.trail(placed["order_id"], len(expected))
    assert sorted(causes(records), key=str) == sorted(expected, key=str)
    assert {item.header("ce_correlationid") for item in records} == {placed["correlation_id"]}
    (trace_id,) = {str(item.header("traceparent")).split("-")[1] for item in records}
    services = {source.removeprefix("/") for source in map(SOURCES.get, map(str, dict(expected))) if source}
    assert wait_for(lambda: services <= {name for name, trace, _ in spans.spans if trace == trace_id}, 20)
    assert ("orders", trace_id, "POST /orders") in spans.spans
    assert {item.key for item in records} == {placed["order_id"].encode()}
    streams: dict[str | None, list[str | None]] = {}
    for item in records:
        assert item.header("ce_source") == SOURCES[str(item.type)]
        assert item.header("content-type") == FORMATS.get(str(item.type), "application/json")
        assert item.data["order_id"] == placed["order_id"]
        wanted = version if item.type == "OrderPlaced" else "1"
        assert item.header("ce_dataschema") == f"{item.type}/{wanted}"
        streams.setdefault(item.header("ce_source"), []).append(item.header("ce_sequence"))
    for sequence in streams.values():
        assert sequence == [str(number) for number in range(1, len(sequence) + 1)]


def test_a_duplicate_delivery_changes_nothing(shop):
    first = shop.order()["order_id"]
    records = shop.trail(first, len(NORMAL))
    for item in records:
        shop.send(item.topic.rpartition(".")[2], item.value or b"", item.headers, item.key or b"")
    last = shop.order()["order_id"]
    shop.trail(last, len(NORMAL))
    again = shop.trail(first, 2 * len(NORMAL))
    assert len(again) == 2 * len(NORMAL)
    assert len({item.header("ce_id") for item in again}) == len(NORMAL)
    assert shop.dead_letters() == {}


def test_a_poison_event_is_put_aside_as_it_is_and_disturbs_nothing(shop):
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"poison-1"), ("ce_type", b"PaymentCompleted"),
               ("ce_source", b"/till"), ("content-type", b"application/json"),
               ("x", b"\xff\x00")]  # fmt: skip
    shop.send("payments", b"\xff\xfe{not json", headers, b"poison")
    placed = shop.order()
    assert len(shop.trail(placed["order_id"], len(NORMAL))) == len(NORMAL)
    dead_letters = f"payments.{shop.broker.namespace}.orders.dlq"
    (dead,) = shop.records(bool, (dead_letters,))
    assert (dead.key, dead.value) == (b"poison", b"\xff\xfe{not json")
    kept = [(name, value) for name, value in dead.headers if not name.startswith("dlq.")]
    assert [pair for pair in kept if pair in headers] == headers
    assert shop.dead_letters() == {dead_letters: 1}


def test_billing_may_be_down_for_a_while(shop):
    shop.stop("billing")
    orders = [shop.order()["order_id"] for _ in range(5)]
    for order_id in orders:
        assert shop.trail(order_id, 3)[-1].type != "OrderShipped"
    shop.start("billing")
    for order_id in orders:
        assert sorted(causes(shop.trail(order_id, len(NORMAL))), key=str) == sorted(NORMAL, key=str)


def test_recommendations_come_later_and_read_from_the_start(shop):
    pair = [{"sku": "MUG-BLUE", "quantity": 1}, {"sku": "TEA-SENCHA", "quantity": 1}]
    orders = [shop.order(lines=pair)["order_id"] for _ in range(3)]
    for order_id in orders:
        shop.trail(order_id, len(NORMAL))
    service = shop.start("recommendations")
    assert service.trail.ready(scaled(30))
    last = shop.order(lines=pair)["order_id"]
    shop.trail(last, len(NORMAL))
    shop.stop("recommendations")
    connection = sqlite3.connect(service.settings.database)
    try:
        assert often_bought_with(connection, "MUG-BLUE") == ["TEA-SENCHA"]
        times = connection.execute("SELECT times FROM bought_together WHERE sku = 'MUG-BLUE'").fetchone()
    finally:
        connection.close()
    assert times[0] >= 3


@pytest.fixture
def bonuses(tmp_path):
    """A collector's core that follows the flow of commands and replies."""
    with core(tmp_path, (ROOT / "demo/orderflow/campaigns/flows.yaml").read_text(), "bonuses.sqlite") as made:
        yield made


def follow(bonuses, records):
    """What the collector says of each order's bonus, by order."""
    lists = SagaReads(bonuses.database, bonuses.flows, owner_of=as_written, pending_letters=lambda ids: {})
    known = bonuses.store.positions().get(("all", 0))
    incoming = [
        Incoming("all", 0, place, 1_000 + place, item.key, item.headers) for place, item in enumerate(records)
    ]
    bonuses.ingest.apply(incoming, [Advance("all", 0, known and known.next_offset, len(records), 1)])
    return {row.saga.key: row.saga for row in lists.list_sagas(SagaFilter())}


def test_a_loyalty_check_by_command_and_reply_shows_who_has_not_answered(shop, bonuses):
    shop.start("campaigns")
    assert shop.services["campaigns"].trail.ready(scaled(30))
    first = shop.order()["order_id"]
    records = shop.trail(first, len(NORMAL) + 4)
    assert [item.type for item in records if item.header("ce_source") == "/campaigns"] == [
        "BonusConsidered", "CheckLoyalty", "BonusGranted",
    ]  # fmt: skip
    assert ("LoyaltyChecked", "CheckLoyalty") in causes(records)
    shop.stop("customers")
    second = shop.order()["order_id"]
    records = shop.trail(second, len(NORMAL) - 2 + 2)
    (saga,) = follow(bonuses, records).values()
    check, grant = saga.steps
    assert (check.state, check.asked, check.by, check.expects) == (
        "open",
        True,
        "customers",
        ("LoyaltyChecked",),
    )
    assert (grant.state, saga.outcome) == ("waiting", "open")
    shop.start("customers")
    records = shop.trail(second, len(NORMAL) + 4)
    (saga,) = follow(bonuses, records).values()
    assert [step.state for step in saga.steps] == ["done", "done"]
