"""EventCatalog's files: its own linter accepts them, and what others wrote stays."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from documentkit import CONTRACTS, RECORDS, landscape, write_contracts
from flowtrail.contracts import FolderSource
from flowtrail_collector.cli import _app
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.eventcatalog.pages import Catalog, catalog_files
from flowtrail_collector.documents.landscape import FlowShape, Received, Sent, StepShape, Topic

ODD = ("a b", "ä/ö", "../../x", "{braces}", "on", "1e3", "'\"", "A", "a", "<b>", "x" * 249, "---")
SHOP = FlowShape(
    "order-fulfilment",
    ("OrderPlaced",),
    (
        StepShape(
            "reserve", ("StockReserved",), ("StockReservationFailed",), ("StockReleased",), "inventory"
        ),
        StepShape("charge", ("PaymentCompleted",), ("PaymentFailed",), (), "billing"),
    ),
    ("OrderShipped",),
    ("OrderCancelled",),
)


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def front(text):
    return YAML(typ="safe").load(text.split("---\n")[1])


@pytest.mark.servers
@pytest.mark.fetches("documents")
class TestLinted:
    def test_with_all_contracts_there_is_not_even_a_warning(self, tmp_path, linted):
        known = Known([FolderSource(write_contracts(tmp_path / "contracts"))])
        write(
            tmp_path / "catalog", catalog_files(landscape(flows=[SHOP]), known, Catalog("Shop", "Ann's team"))
        )
        code, said = linted(tmp_path / "catalog")
        assert (code, "No problems found" in said or "problem" not in said) == (0, True), said

    def test_without_contracts_only_they_are_missed(self, tmp_path, linted):
        write(tmp_path, catalog_files(landscape(flows=[SHOP]), Known(), Catalog()))
        _, said = linted(tmp_path)
        assert "0 errors" in said
        assert said.count("warning event") == said.count("best-practices/schema-required")

    def test_whatever_things_are_called(self, tmp_path, linted):
        rows = [Sent(name, f"{name} type", version, name, 1) for name in ODD for version in (None, "7")]
        readers = [Received(name, f"{name}!", None, frozenset({f"{name} type"})) for name in ODD]
        flows = [FlowShape(name, (f"{name} type",), (StepShape(name, (f"{name} type",)),)) for name in ODD]
        topics = [Topic(name) for name in ODD]
        found = landscape(topics=topics, sent=rows, received=readers, flows=flows)
        files = catalog_files(found, Known(), Catalog("{domain}", "<owner>"))
        assert all(".." not in name.split("/") for name in files)
        write(tmp_path, files)
        _, said = linted(tmp_path)
        assert "0 errors" in said, said
        assert len([name for name in files if name.startswith("services/")]) == 2 * len(ODD)


def test_what_is_where():
    files = catalog_files(landscape(flows=[SHOP]), Known(), Catalog("Shop"))
    assert {name.split("/")[1] for name in files if name.startswith("events/")} == {
        row.type for row in RECORDS
    }
    assert {name.split("/")[1] for name in files if name.startswith("channels/")} == {
        "orders", "inventory", "payments", "rabbitmq-shipments",
    }  # fmt: skip
    assert front(files["events/OrderPlaced/index.mdx"])["version"] == "2.0.0"
    assert front(files["events/OrderPlaced/versioned/1.0.0/index.mdx"])["version"] == "1.0.0"
    billing = front(files["services/billing/index.mdx"])
    assert billing["sends"] == [
        {"id": "PaymentCompleted", "version": "1.0.0", "to": [{"id": "payments", "version": "1.0.0"}]}
    ]
    assert [item["id"] for item in billing["receives"]] == ["StockReserved"]
    services = front(files["domains/Shop/index.mdx"])["services"]
    assert {item["id"] for item in services} == {"orders", "inventory", "billing", "fulfillment", "customers"}


def test_steps_of_a_flow_lead_to_each_other():
    files = catalog_files(landscape(flows=[SHOP]), Known(), Catalog())
    steps = {step["id"]: step for step in front(files["flows/order-fulfilment/index.mdx"])["steps"]}
    way = ["start"]
    while steps[way[-1]].get("next_steps"):
        way.append(steps[way[-1]]["next_steps"][0]["id"])
    assert way == ["start", "step-reserve", "step-charge", "completes"]
    assert {item["id"] for step in steps.values() for item in step.get("next_steps", ())} == set(steps) - {
        "start"
    }
    assert steps["step-charge"]["message"] == {"id": "PaymentCompleted", "version": "1.0.0"}
    assert steps["failed-charge-PaymentFailed"]["custom"]["summary"] == "Not seen yet."


@pytest.mark.slow
class TestCommand:
    def asked(self, url, folder, *arguments):
        command = ["eventcatalog", "export", str(folder), "--url", url, *arguments]
        done = CliRunner().invoke(_app.cli, command, standalone_mode=False)
        return done.return_value if done.exception is None else getattr(
            done.exception, "exit_code", None
        ), str(done.exception)

    def test_what_others_wrote_stays_and_what_an_export_wrote_is_replaced(self, shop_url, tmp_path):
        catalog, contracts = tmp_path / "catalog", write_contracts(tmp_path / "contracts", dict(CONTRACTS))
        assert self.asked(shop_url, catalog, "--contracts", str(contracts))[0] == 0
        schema = catalog / "events" / "OrderPlaced" / "schema.json"
        assert schema.read_text() == CONTRACTS["OrderPlaced/2.json"] or schema.exists()
        (catalog / "services" / "own.mdx").write_text("mine")
        (catalog / "services" / "billing" / "index.mdx").write_text("changed")
        assert self.asked(shop_url, catalog, "--domain", "Shop")[0] == 0
        assert not schema.exists()
        assert (catalog / "services" / "own.mdx").read_text() == "mine"
        assert (catalog / "services" / "billing" / "index.mdx").read_text() != "changed"
        assert not (catalog / "domains" / "Events" / "index.mdx").exists()

    def test_a_folder_of_somebody_else_is_left_alone(self, shop_url, tmp_path):
        page = tmp_path / "services" / "billing" / "index.mdx"
        page.parent.mkdir(parents=True)
        page.write_text("mine")
        code, said = self.asked(shop_url, tmp_path)
        assert (code, "wasn't written by an export" in said) == (2, True)
        assert [path.name for path in tmp_path.iterdir()] == ["services"]
        assert page.read_text() == "mine"

    def test_a_list_that_was_changed_removes_nothing_elsewhere(self, shop_url, tmp_path):
        catalog = tmp_path / "catalog"
        assert self.asked(shop_url, catalog)[0] == 0
        mine = tmp_path / "mine.txt"
        mine.write_text("mine")
        with (catalog / ".flowtrail-files").open("a") as names:
            names.write("../mine.txt\n")
        assert self.asked(shop_url, catalog)[0] == 2
        assert mine.read_text() == "mine"
