"""Documents of things with odd names: every YAML reader reads the same, and a fresh export agrees with what flows."""

from __future__ import annotations

import json
from datetime import date

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from documentkit import CONTRACTS, landscape, write_contracts
from flowtrail.contracts import FolderSource, SchemaError
from flowtrail_collector.documents.asyncapi.comparing import compared
from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.eventcatalog.pages import Catalog, catalog_files
from flowtrail_collector.documents.landscape import Received, Sent, Topic
from flowtrail_collector.documents.schemas import defined
from flowtrail_collector.documents.text import yaml_text

pytestmark = pytest.mark.slow

STEMS = st.sampled_from(
    ["Tree", "a", "com.shop.Order", "__proto__", "constructor", "yes", "no", "On", "OFF", "y", "N", "null", "~",
     "1", "0x1f", "1_000", "1:30", "017", "1e3", ".5", "2020-01-01", "<<", "=", "{x}", "x-own", "a b", "ä/ö", "~1", "#", "-"]
)  # fmt: skip
ENDS = st.sampled_from(["", ".v2", "/2", "-v3", "_v10", "V2", ".v", "/0", ".v2/3"])
TYPES = st.builds(str.__add__, STEMS, ENDS)
TOPICS = st.sampled_from(["orders", "on", "1:30", "a.b", "x-topic", "rabbitmq:yes", "rabbitmq:~"])
ROWS = st.lists(
    st.builds(
        lambda topic, type, version: Sent(topic, type, version, "no", 1, last="2026-05-01T00:00:00Z"),
        TOPICS, TYPES, st.none() | st.sampled_from(["1", "2", "3", "10"]),
    ),
    min_size=1, max_size=6, unique_by=lambda row: (row.topic, row.type, row.version),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, st.booleans(), st.booleans())
def test_a_fresh_export_agrees_with_what_flows(tmp_path_factory, rows, mapped, as_json):
    topics = [Topic(name, mapped=mapped) for name in dict.fromkeys(row.topic for row in rows)]
    readers = [
        Received(topic.name, "off", "off", frozenset(row.type for row in rows if row.topic == topic.name))
        for topic in topics
    ]
    found = landscape(topics=topics, sent=rows, received=readers)
    document = document_of(found, Known(), About("null"))
    file = tmp_path_factory.mktemp("export") / ("x.json" if as_json else "x.yaml")
    file.write_text(json.dumps(document) if as_json else yaml_text(document), encoding="utf-8")
    declared = declared_in(file)
    assert compared(declared, found, Known(), owner=None, since="2026", today=date(2026, 6, 1)) == []
    said = {
        (channel.address, message.type, message.version)
        for channel in declared.channels
        for message in channel.messages
    }
    assert {(topic, type) for topic, type, _ in said} == {
        (topic.address, row.type) for topic in topics for row in rows if row.topic == topic.name
    }
    # A version of events that name one is in the document; a mapped type's version may be a part of its name.
    wanted = {
        (topic.address, row.type, row.version) for topic in topics for row in rows if row.topic == topic.name
    }
    assert said == wanted
    names = [*document["components"]["messages"], *document["channels"], *document["operations"]]
    assert not any(name.startswith(("__", "x-")) for name in names)


TEXTS = STEMS | st.from_regex(r"[-+.0-9a-fxob_:eET]{1,8}", fullmatch=True) | st.text(max_size=6)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXTS, DATA, max_size=4))
def test_old_and_new_yaml_read_the_same(data):
    """PyYAML reads version 1.1, in which `no` is false and `1:30` a number; ruamel reads 1.2."""
    text = yaml_text(data)
    assert YAML(typ="safe", pure=True).load(text) == data
    assert yaml.safe_load(text) == data


@pytest.mark.parametrize("word", ["y", "Y", "yes", "NO", "on", "Off", "n"])
def test_words_that_mean_a_truth_to_some_are_in_quotes(word):
    assert yaml_text({word: [word]}) == f"'{word}':\n- '{word}'\n"


@pytest.mark.parametrize(
    ("type", "version", "mapped", "content_type"),
    [
        ("PaymentCompleted", "1", False, "application/protobuf"),
        ("PaymentCompleted", None, False, "application/json"),
        ("StockReserved", None, False, "application/json"),
        ("StockReserved", None, True, "application/avro"),
        ("OrderShipped", None, False, "application/json"),
    ],
)
def test_events_without_a_version_are_not_of_a_contract_that_could_not_be_read(
    tmp_path, type, version, mapped, content_type
):
    known = Known([FolderSource(write_contracts(tmp_path, CONTRACTS))])
    found = landscape(
        topics=[Topic("t", mapped=mapped)], sent=[Sent("t", type, version, "billing")], received=[]
    )
    (message,) = document_of(found, known, About())["components"]["messages"].values()
    assert message["contentType"] == content_type
    assert ("payload" in message) is (content_type != "application/json" or type == "OrderShipped")
    pages = catalog_files(found, known, Catalog())
    (page,) = [text for name, text in pages.items() if name.startswith("events/") and name.endswith(".mdx")]
    assert f"Content type: `{content_type}`" in page


SEVEN = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("schema", "fits", "breaks"),
    [
        # Files that each name their draft, put together by a document.
        ({"properties": {"a": {"$schema": SEVEN, "items": [{"type": "null"}]}}}, {"a": [None]}, {"a": [1]}),
        ({"$schema": SEVEN, "allOf": [{"$schema": SEVEN, "required": ["a"]}]}, {"a": 1}, {}),
        # AsyncAPI's own schemas are of draft 7, which they don't say.
        ({"dependencies": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"properties": {"$schema": {"type": "null"}}}, {"$schema": None}, {"$schema": 1}),
    ],
)
def test_payloads_of_documents_are_of_the_draft_that_they_can_be_of(schema, fits, breaks):
    payload = defined("shop.yaml:1", "A", None, schema)
    assert payload.broken_reading(fits) == []
    assert payload.broken_reading(breaks)


def test_a_payload_of_no_draft_is_one_line():
    with pytest.raises(SchemaError, match=r"shop\.yaml:1: divisibleBy at"):
        defined("shop.yaml:1", "A", None, {"divisibleBy": 1})
