"""`POST /orders` and `GET /orders/{id}`, without a broker."""

import json

import pytest
from starlette.testclient import TestClient

from orderflow import serving
from orderflow.kernel import Money, Sku
from orderflow.orders.adapters.http import build_app
from orderflow.orders.adapters.reading import MAX_BODY_BYTES
from orderflow.orders.domain import Catalogue
from orderflow.seeds import PRICES_CENTS
from shopkit import outbox, rows, settings

GOOD = {
    "customer_id": "CUS-0001",
    "lines": [{"sku": "MUG-BLUE", "quantity": 2}, {"sku": "TEA-SENCHA", "quantity": 1}],
}


@pytest.fixture
def service(tmp_path):
    service = serving.build(settings("orders", tmp_path))
    yield service
    service.close()


@pytest.fixture
def client(service):
    catalogue = Catalogue({Sku(sku): Money(cents) for sku, cents in PRICES_CENTS.items()})
    with TestClient(build_app(service, catalogue)) as client:
        yield client


def test_an_order_is_placed_and_shown(client, service):
    answer = client.post("/orders", json=GOOD)
    assert answer.status_code == 201
    body = answer.json()
    assert body["order_id"] == "ORD-000001"
    assert body["total_cents"] == 3390
    assert answer.headers["location"] == "/orders/ORD-000001"
    shown = client.get("/orders/ORD-000001").json()
    assert (shown["status"], shown["version"], len(shown["lines"])) == ("placed", 1, 2)
    ((waiting,),) = rows(service.settings.database, "SELECT event FROM flowtrail_outbox")
    assert body["correlation_id"] in waiting


def test_two_orders_are_two_flows_whatever_the_caller_sends(client):
    headers = {"ce_correlationid": "mine", "X-Correlation-ID": "mine"}
    one, two = (client.post("/orders", json=GOOD, headers=headers).json() for _ in range(2))
    assert len({one["correlation_id"], two["correlation_id"], "mine"}) == 3


BAD = [
    (b"", 400, "isn't JSON"),
    (b"{", 400, "isn't JSON"),
    (b"\xff\xfe\x00", 400, "isn't JSON"),
    (b"[" * 30_000, 400, "isn't JSON"),
    (b"[]", 400, "isn't a JSON object"),
    (b"{}", 422, "customer_id is missing"),
    ({**GOOD, "customer_id": ""}, 422, "customer_id"),
    ({**GOOD, "customer_id": {"a": 1}}, 422, "customer_id"),
    ({**GOOD, "lines": []}, 422, "1 to 50 lines"),
    ({**GOOD, "lines": 3}, 422, "lines isn't a list"),
    ({**GOOD, "lines": [3]}, 422, "a line isn't a JSON object"),
    ({**GOOD, "lines": [{"sku": "MUG-BLUE"}]}, 422, "quantity is missing"),
    ({**GOOD, "lines": [{"sku": "MUG-BLUE", "quantity": -1}]}, 422, "quantity is 1 to 1000, not -1"),
    ({**GOOD, "lines": [{"sku": "MUG-BLUE", "quantity": 0}]}, 422, "quantity is 1 to 1000, not 0"),
    ({**GOOD, "lines": [{"sku": "MUG-BLUE", "quantity": 1.5}]}, 422, "whole number"),
    ({**GOOD, "lines": [{"sku": "NO-SUCH-THING", "quantity": 1}]}, 422, "unknown sku NO-SUCH-THING"),
    ({**GOOD, "lines": [{"sku": "../etc", "quantity": 1}]}, 422, "sku is up to"),
    (b" " * (MAX_BODY_BYTES + 1), 413, "longer than"),
]


@pytest.mark.parametrize(("body", "status", "says"), BAD)
def test_what_is_no_order_gets_one_clear_line_and_leaves_nothing(client, service, body, status, says):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/orders", content=content)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert outbox(service.settings.database) == 0
    assert rows(service.settings.database, "SELECT COUNT(*) FROM order_events") == [(0,)]


def test_other_requests_are_refused(client):
    assert client.get("/orders/ORD-999999").status_code == 404
    assert client.delete("/orders/ORD-000001").status_code == 405
    assert client.get("/healthz").json() == {"status": "ok"}
