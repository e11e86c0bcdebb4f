"""AsyncAPI documents: AsyncAPI's own parser understands all that flows in them, whatever it is called."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from documentkit import CONTRACTS, RECORDS, landscape, write_contracts
from flowtrail.contracts import FolderSource, registered
from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.cli import _app
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.landscape import ExchangeShape, Received, Sent, Server, Topic
from flowtrail_collector.documents.schemas import payload_of
from flowtrail_collector.documents.text import yaml_text

needs_parser = [pytest.mark.servers, pytest.mark.fetches("documents")]
# Names as brokers and services take them; each has to come through.
ODD = (
    "a b",
    "ä/ö",
    "x.y-z_1",
    "{braces}",
    "#/components",
    "~1~0",
    "on",
    "1e3",
    "'\"",
    "A",
    "a",
    "-",
    "x" * 249,
)
FORMATS = {
    "OrderPlaced": None,
    "StockReserved": "application/vnd.apache.avro;version=1.9.0",
    "PaymentCompleted": "application/vnd.google.protobuf;version=3",
}


def written(folder, found, contracts: Mapping[str, str] | None = None, as_json=False):
    known = Known([FolderSource(write_contracts(folder / "contracts", contracts))]) if contracts else Known()
    document = document_of(
        found, known, About("Shop", "1.2.3", "http://registry:8081" if contracts else None)
    )
    file = folder / ("shop.json" if as_json else "shop.yaml")
    file.write_text(json.dumps(document) if as_json else yaml_text(document), encoding="utf-8")
    return file


def edges(found):
    """(sender, channel, receiver) of a parsed document."""
    sides: dict[str, list[tuple[str, str]]] = {"send": [], "receive": []}
    for operation in found["operations"]:
        sides[operation["action"]] += [(operation["service"], place) for place in operation["addresses"]]
    return {(a, place, b) for a, place in sides["send"] for b, other in sides["receive"] if place == other}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("contracts", [None, CONTRACTS], ids=["no contracts", "contracts"])
class TestOfTheShop:
    pytestmark = needs_parser

    def test_everything_is_understood(self, tmp_path, parsed, contracts, as_json):
        found = parsed(written(tmp_path, landscape(), contracts, as_json))
        assert {server["protocol"]: server["host"] for server in found["servers"]} == {
            "kafka": "one:9092", "amqp": "rabbit:5672",
        }  # fmt: skip
        topics = {channel["address"]: channel for channel in found["channels"]}
        assert set(topics) == {without_broker(row.topic) for row in RECORDS}
        messages = [(place, item) for place, channel in topics.items() for item in channel["messages"]]
        assert sorted((place, item["name"]) for place, item in messages) == sorted(
            (without_broker(row.topic), row.type) for row in RECORDS
        )
        assert edges(found) == {
            ("orders", "orders", "inventory"), ("inventory", "inventory", "billing"),
            ("billing", "payments", "fulfillment"), ("fulfillment", "shipments", "customers"),
        }  # fmt: skip
        for place, item in messages:
            header = "cloudEvents_correlationid" if place == "shipments" else "ce_correlationid"
            assert item["correlation"] == f"$message.header#/{header}"
            assert item["bindings"] == (["amqp"] if place == "shipments" else ["kafka"])
            assert item["payload"] is (contracts is not None)
            wanted = FORMATS.get(item["name"])
            if contracts is not None and wanted is not None:
                assert item["format"] == wanted

    def test_bindings_say_topic_partitions_and_groups(self, tmp_path, parsed, contracts, as_json):
        found = parsed(written(tmp_path, landscape(), contracts, as_json))
        bound = {channel["address"]: channel["bindings"][0] for channel in found["channels"]}
        assert (bound["orders"]["topic"], bound["orders"]["partitions"]) == ("orders", 3)
        assert bound["shipments"]["exchange"]["name"] == "shipments"
        groups = {
            operation["service"]: [
                binding["groupId"]["enum"] if "groupId" in binding else binding["x-flowtrail-queues"]
                for binding in operation["bindings"]
            ]
            for operation in found["operations"]
            if operation["action"] == "receive"
        }
        assert groups == {
            "inventory": [["inventory"]], "billing": [["billing"]], "fulfillment": [["fulfillment"]],
            "customers": [["customers"]],
        }  # fmt: skip


@pytest.mark.servers
@pytest.mark.fetches("documents")
def test_whatever_things_are_called(tmp_path, parsed):
    rows = [Sent(f"{topic}", f"{topic} type", version, topic, 1) for topic in ODD for version in (None, "7")]
    rows += [Sent(f"rabbitmq:{row.topic}", row.type, row.version, row.service, 1) for row in rows]
    topics = [
        Topic(name, mapped=number % 2 == 0)
        for number, name in enumerate(dict.fromkeys(r.topic for r in rows))
    ]
    readers = [
        Received(topic.name, f"{topic.name}!", None, frozenset({f"{topic.address} type"})) for topic in topics
    ]
    found = parsed(written(tmp_path, landscape(topics=topics, sent=rows, received=readers)))
    names = [
        channel["address"] or channel["bindings"][0].get("topic", "{braces}") for channel in found["channels"]
    ]
    assert sorted(names) == sorted(topic.address for topic in topics)
    assert {(operation["service"], operation["action"]) for operation in found["operations"]} == {
        *((row.service, "send") for row in rows), *((reader.service, "receive") for reader in readers),
    }  # fmt: skip
    assert sum(len(channel["messages"]) for channel in found["channels"]) == len(rows)


@pytest.mark.servers
@pytest.mark.fetches("documents")
def test_a_virtual_host_with_tls_and_exchanges_of_all_types(tmp_path, parsed):
    types = ("topic", "direct", "fanout", "headers", "x-consistent-hash")
    topics = [
        Topic(f"rabbitmq:{type}", exchange=ExchangeShape(type, type != "fanout", type == "fanout", "my shop"))
        for type in types
    ]
    rows = [Sent(topic.name, "A", None, "orders", 1) for topic in topics]
    readers = [
        Received(topic.name, "billing", f"{topic.name}.billing", None, None, ("A", "#")) for topic in topics
    ]
    server = Server("rabbitmq", "rabbit:5671", "amqps", "my shop")
    file = written(tmp_path, landscape(servers=[server], topics=topics, sent=rows, received=readers))
    assert YAML(typ="safe").load(file)["servers"]["rabbitmq"]["pathname"] == "/my%20shop"
    found = parsed(file)
    assert [item["protocol"] for item in found["servers"]] == ["amqps"]
    exchanges = [channel["bindings"][0]["exchange"] for channel in found["channels"]]
    assert [exchange.get("type") for exchange in exchanges] == [*types[:-1], None]
    assert {exchange["vhost"] for exchange in exchanges} == {"my shop"}
    assert [(item["durable"], item["autoDelete"]) for item in exchanges].count((False, True)) == 1
    reading = [item["bindings"][0] for item in found["operations"] if item["action"] == "receive"]
    assert {tuple(binding["cc"]) for binding in reading} == {("#", "A")}
    assert {name for binding in reading for name in binding["x-flowtrail-queues"]} == {
        f"{type}.billing" for type in types
    }


def test_only_references_are_moved_not_what_looks_like_one():
    same = {
        "properties": {"$ref": {"default": {"$ref": "#/a"}}},
        "examples": [{"$ref": "#/b"}],
        "enum": [{"$ref": "#"}],
        "x-note": {"$ref": "#/c"},
    }
    schema = {**same, "allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"items": {"$ref": "#/$defs/x"}}}}
    assert payload_of(registered("JSON", "E/1", json.dumps(schema), "E"), "#/here") == {
        **same, "allOf": [{"$ref": "#/here/$defs/x"}], "$defs": {"x": {"items": {"$ref": "#/here/$defs/x"}}},
    }  # fmt: skip


def test_a_mapped_topic_says_nothing_of_headers(tmp_path):
    found = landscape(
        topics=[Topic("legacy", mapped=True)], sent=[Sent("legacy", "Done", None, "old")], received=[]
    )
    message = document_of(found, Known(), About())["components"]["messages"]["Done.legacy"]
    assert "headers" not in message
    assert "correlationId" not in message


def test_a_cluster_of_several_addresses_is_one_server():
    servers = document_of(landscape(servers=[Server("kafka", "a:1,b:2")]), Known(), About())["servers"]
    assert list(servers) == ["kafka"]
    assert servers["kafka"]["host"] == "a:1"


@pytest.mark.slow
class TestCommand:
    def asked(self, url, *arguments):
        done = CliRunner().invoke(
            _app.cli, ["asyncapi", "export", "--url", url, *arguments], standalone_mode=False
        )
        return done.return_value if done.exception is None else getattr(
            done.exception, "exit_code", None
        ), done.stdout

    def test_yaml_and_json_are_the_same(self, shop_url, tmp_path):
        contracts = str(write_contracts(tmp_path / "contracts"))
        _, text = self.asked(shop_url, "--contracts", contracts)
        _, as_json = self.asked(shop_url, "--contracts", contracts, "--json")
        assert YAML(typ="safe").load(text) == json.loads(as_json)
        assert json.loads(as_json)["asyncapi"] == "3.0.0"

    def test_a_file_that_is_there_stays(self, shop_url, tmp_path):
        file = tmp_path / "shop.yaml"
        assert self.asked(shop_url, "--output", str(file)) == (0, "")
        before = file.read_text()
        assert self.asked(shop_url, "--output", str(file))[0] == 2
        assert file.read_text() == before

    @pytest.mark.parametrize("arguments", [("--contracts", "nowhere"), ("--registry", "registry:8081")])
    def test_contracts_that_cannot_be_read(self, shop_url, arguments):
        assert self.asked(shop_url, *arguments) == (2, "")
