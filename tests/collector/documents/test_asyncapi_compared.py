"""Documents beside what flows: what was exported agrees; each kind of drift is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from documentkit import CONTRACTS, landscape, write_contracts
from flowtrail.contracts import FolderSource
from flowtrail_collector.documents.asyncapi.comparing import Finding, OwnerError, compared, owner_of
from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.landscape import Landscape, Received, Sent
from flowtrail_collector.documents.text import yaml_text

pytestmark = pytest.mark.slow

SINCE, TODAY = "2026-01-15T00:00:00.000000Z", date(2026, 2, 1)
LONG_AGO = "2026-01-05T00:00:00.000000Z"


def exported(folder, found=None):
    known = Known([FolderSource(write_contracts(folder / "contracts"))])
    return document_of(found or landscape(), known, About()), known


def findings(folder, document, found, known, owner=None) -> list[Finding]:
    file = folder / "shop.yaml"
    file.write_text(yaml_text(document), encoding="utf-8")
    declared = declared_in(file)
    return compared(declared, found, known, owner=owner, since=SINCE, today=TODAY)


def told(found):
    return [(item.kind, item.topic, item.type, item.version, item.service) for item in found]


def test_what_was_exported_agrees(tmp_path):
    document, known = exported(tmp_path)
    assert findings(tmp_path, document, landscape(), known) == []


class Drift(NamedTuple):
    """What flows differently, or stands differently in the document, and what is told: all of it."""

    told: list[tuple[Any, ...]]
    flows: Callable[[Landscape], Landscape] = lambda found: found
    document: Callable[[dict[str, Any]], object] = lambda document: None


def sent(*rows: Sent) -> Callable[[Landscape], Landscape]:
    return lambda found: replace(found, sent=[*found.sent, *rows])


def received(*rows: Received) -> Callable[[Landscape], Landscape]:
    return lambda found: replace(found, received=[*found.received, *rows])


def without_sent(type: str, version: str | None = None) -> Callable[[Landscape], Landscape]:
    return lambda found: replace(
        found, sent=[row for row in found.sent if row.type != type or (version and row.version != version)]
    )


def message(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["messages"][name]
    return found


def avro(document: dict[str, Any]) -> Any:
    return message(document, "StockReserved.v1")["payload"]["schema"]


def changed_proto(document: dict[str, Any]) -> None:
    payload = message(document, "PaymentCompleted.v1")["payload"]
    payload["schema"] = payload["schema"].replace("int64 amount_cents = 2", "int64 amount_cents = 4")


NOW = "2026-01-31T09:00:00.000000Z"
DRIFTS = {
    "a type on a declared channel": Drift(
        [("undeclared-type", "orders", "OrderLost", None, "orders")],
        sent(Sent("orders", "OrderLost", None, "orders", 1, last=NOW)),
    ),
    "a type on a channel that isn't declared": Drift(
        [("undeclared-type", "audit", "Audited", None, "audit")],
        sent(Sent("audit", "Audited", None, "audit", 1, last=NOW)),
    ),
    "a type that nobody publishes any more isn't told": Drift(
        [], sent(Sent("orders", "OrderLost", None, "orders", 1, last=LONG_AGO))
    ),
    "a publisher of a declared type": Drift(
        [("undeclared-publisher", "orders", "OrderPlaced", None, "importer")],
        sent(Sent("orders", "OrderPlaced", "2", "importer", 1, last=NOW)),
    ),
    "a reader by what it reacts to": Drift(
        [("undeclared-reader", "orders", None, None, "fraud")],
        received(Received("orders", "fraud", None, frozenset({"OrderPlaced"}), NOW)),
    ),
    "a reader by its group alone": Drift(
        [("undeclared-reader", "rabbitmq:shipments".partition(":")[2], None, None, "stats")],
        received(Received("rabbitmq:shipments", "stats", "rabbitmq:stats")),
    ),
    "another type that a declared reader reads": Drift(
        [
            ("unseen", "orders", "OrderLost", None, None),
            ("undeclared-reader", "orders", "OrderPlaced", None, "inventory"),
        ],
        document=lambda document: (
            document["channels"]["orders"]["messages"].update(Other={"name": "OrderLost"}),
            document["operations"]["inventory.receive.orders"].update(
                messages=[{"$ref": "#/channels/orders/messages/Other"}]
            ),
        ),
        flows=sent(Sent("orders", "OrderLost", None, "orders", 1, last=LONG_AGO)),
    ),
    "a type that was never seen": Drift(
        [("unseen", "inventory", "StockReserved", "1", None)], without_sent("StockReserved")
    ),
    "a version that was never seen": Drift(
        [("unseen", "orders", "OrderPlaced", "1", None)], without_sent("OrderPlaced", "1")
    ),
    "a type that wasn't seen for long": Drift(
        [("unseen", "inventory", "StockReserved", "1", None)],
        lambda found: replace(
            found, sent=[replace(r, last=LONG_AGO) if r.type == "StockReserved" else r for r in found.sent]
        ),
    ),
    "a reader that isn't there": Drift(
        [("unseen", "orders", None, None, "inventory")],
        lambda found: replace(found, received=[row for row in found.received if row.service != "inventory"]),
    ),
    "a version that isn't declared": Drift(
        [("schema-drift", "orders", "OrderPlaced", "3", "orders")],
        sent(Sent("orders", "OrderPlaced", "3", "orders", 1, last=NOW)),
    ),
    "JSON Schema: another type deep inside": Drift(
        [("schema-drift", "orders", "OrderPlaced", "2", None)] * 2,
        document=lambda document: document["components"]["schemas"]["OrderPlaced.v2"]["$defs"]["Line"][
            "properties"
        ]["sku"].update(type="integer"),
    ),
    "Avro: another scale": Drift(
        [("schema-drift", "inventory", "StockReserved", "1", None)],
        document=lambda document: avro(document)["fields"][1]["type"].update(scale=4),
    ),
    "Protobuf: another number": Drift(
        [("schema-drift", "payments", "PaymentCompleted", "1", None)], document=changed_proto
    ),
    "another format": Drift(
        [("schema-drift", "inventory", "StockReserved", "1", None)],
        document=lambda document: message(document, "StockReserved.v1").update(payload={"type": "object"}),
    ),
    "a payload that is no schema": Drift(
        [("schema-drift", "inventory", "StockReserved", "1", None)],
        document=lambda document: avro(document).update(fields="none"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFTS)
def test_each_drift_is_found_and_nothing_else(tmp_path, name):
    drift = DRIFTS[name]
    document, known = exported(tmp_path)
    drift.document(document)
    assert told(findings(tmp_path, document, drift.flows(landscape()), known)) == drift.told


def test_findings_say_where_when_and_what(tmp_path):
    document, known = exported(tmp_path)
    document["components"]["schemas"]["OrderPlaced.v2"]["required"] = ["order_id"]
    found = findings(tmp_path, document, landscape(last=LONG_AGO), known)
    lines = (tmp_path / "shop.yaml").read_text().splitlines()
    drift = next(item for item in found if item.kind == "schema-drift")
    assert drift.message.startswith("OrderPlaced 2: lines: became-required (")
    assert drift.change is not None
    assert (drift.change.field, drift.change.rule) == ("lines", "became-required")
    assert lines[drift.place.line - 1].strip().startswith("OrderPlaced.v2:")
    unseen = next(item for item in found if item.kind == "unseen" and item.type == "StockReserved")
    assert unseen.message == f"StockReserved 1 is declared on inventory, and unseen since {LONG_AGO}"
    assert "StockReserved.v1:" in lines[unseen.place.line - 1]


@pytest.mark.parametrize(
    "payload",
    [
        json.loads(CONTRACTS["OrderPlaced/2.json"]),
        {"schemaFormat": "application/schema+json;version=draft-07", "schema": json.loads(CONTRACTS["OrderPlaced/2.json"])},
        {"schemaFormat": "application/vnd.aai.asyncapi;version=3.0.0", "schema": {"$ref": "#/components/schemas/OrderPlaced.v2"}},
        {"schemaFormat": "application/raml+yaml;version=1.0", "schema": {"properties": {}}},
    ],
    ids=["inline, with references of its own file", "JSON Schema", "AsyncAPI's own", "one that nobody can compare"],
)  # fmt: skip
def test_payloads_in_whatever_form(tmp_path, payload):
    document, known = exported(tmp_path)
    if "$defs" in payload:
        # References of a schema that stands within a document are the document's.
        payload = json.loads(
            json.dumps(payload).replace("#/$defs", "#/components/schemas/OrderPlaced.v2/$defs")
        )
    if "$defs" in payload.get("schema", {}):
        payload = json.loads(
            json.dumps(payload).replace("#/$defs", "#/components/schemas/OrderPlaced.v2/$defs")
        )
    message(document, "OrderPlaced.v2")["payload"] = payload
    assert findings(tmp_path, document, landscape(), known) == []


def test_a_message_that_names_no_version_may_be_any_that_flows(tmp_path):
    document, known = exported(tmp_path)
    for name in ("OrderPlaced.v1", "OrderPlaced.v2"):
        message(document, name).pop("x-flowtrail-version")
        message(document, name)["name"] = "OrderPlaced"
    for key in list(document["channels"]["orders"]["messages"]):
        document["channels"]["orders"]["messages"][key.replace(".v", "-")] = document["channels"]["orders"][
            "messages"
        ].pop(key)
    for operation in document["operations"].values():
        operation.pop("messages", None)
    assert findings(tmp_path, document, landscape(), known) == []


class TestOneService:
    """A document of one service: only what concerns it has to be in it."""

    def document(self, service, found):
        own = replace(
            found,
            sent=[
                row for row in found.sent if row.service == service or row.topic in self.read(service, found)
            ],
            received=[row for row in found.received if row.service == service],
        )
        document = document_of(own, Known(), About(f"{service.title()} Service"))
        operations = document["operations"]
        document["operations"] = {
            name: {key: value for key, value in operation.items() if not key.startswith("x-")}
            for name, operation in operations.items()
            if name.startswith(f"{service}.")
        }
        return document

    def read(self, service, found):
        return {row.topic for row in found.received if row.service == service}

    @pytest.mark.parametrize("service", ["orders", "inventory", "billing", "fulfillment"])
    def test_it_agrees_though_others_flow(self, tmp_path, service):
        found = landscape()
        file = tmp_path / "one.yaml"
        file.write_text(yaml_text(self.document(service, found)), encoding="utf-8")
        declared = declared_in(file)
        owner = owner_of(declared, found, None)
        assert owner == service
        assert compared(declared, found, Known(), owner=owner, since=SINCE, today=TODAY) == []

    def test_what_it_does_besides_is_told(self, tmp_path):
        found = landscape()
        document = self.document("billing", found)
        more = sent(
            Sent("payments", "Refunded", None, "billing", 1, last=NOW),
            Sent("x", "Y", None, "others", 1, last=NOW),
        )(received(Received("orders", "billing", "billing"), Received("orders", "others"))(found))
        file = tmp_path / "one.yaml"
        file.write_text(yaml_text(document), encoding="utf-8")
        declared = declared_in(file)
        differences = compared(declared, more, Known(), owner="billing", since=SINCE, today=TODAY)
        assert sorted(told(differences)) == [
            ("undeclared-reader", "orders", None, None, "billing"),
            ("undeclared-type", "payments", "Refunded", None, "billing"),
        ]

    def test_nobody_can_tell_whose_it_is(self, tmp_path):
        document = self.document("billing", landscape())
        document["info"]["title"] = "Money"
        file = tmp_path / "one.yaml"
        file.write_text(yaml_text(document), encoding="utf-8")
        declared = declared_in(file)
        with pytest.raises(OwnerError) as caught:
            owner_of(declared, landscape(), None)
        assert "billing" in caught.value.services
        assert owner_of(declared, landscape(), "billing") == "billing"


def test_what_is_written_reads_as_plain_yaml(tmp_path):
    document, _ = exported(tmp_path)
    assert YAML(typ="safe").load(yaml_text(document)) == document
