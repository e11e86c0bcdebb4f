"""Payloads in documents: complete in themselves, whatever a contract takes from elsewhere."""

from __future__ import annotations

from datetime import date

import pytest

from contractkit import REFERRING
from documentkit import landscape
from flowtrail.contracts import FolderSource
from flowtrail.contracts.folder import read_file
from flowtrail_collector.documents.asyncapi.comparing import compared
from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.eventcatalog.pages import Catalog, catalog_files
from flowtrail_collector.documents.landscape import Sent, Topic
from flowtrail_collector.documents.text import yaml_text

pytestmark = pytest.mark.slow
LAST = "2026-01-31T10:00:00.000000Z"


TYPES = {f"of{number}.Order": case for number, case in enumerate(REFERRING.values())}


@pytest.fixture
def exported(tmp_path):
    """A document with each of the contracts, what flows, and the contracts."""
    for type, case in TYPES.items():
        case.write(tmp_path / type, type)
    known = Known([FolderSource(tmp_path / type) for type in TYPES])
    rows = [Sent("orders", type, "1", "shop", 1, first=LAST, last=LAST) for type in TYPES]
    found = landscape(topics=[Topic("orders", 1)], sent=rows, received=[])
    file = tmp_path / "shop.yaml"
    file.write_text(yaml_text(document_of(found, known, About())), encoding="utf-8")
    return file, found, known


@pytest.mark.servers
@pytest.mark.fetches("documents")
def test_asyncapis_parser_understands_every_field(exported, parsed):
    file, _, _ = exported
    (channel,) = parsed(file)["channels"]
    understood = {item["name"]: set(item["fields"]) for item in channel["messages"]}
    assert understood == {type: case.names for type, case in TYPES.items()}


def test_what_was_exported_agrees_with_what_flows(exported):
    file, found, known = exported
    assert compared(declared_in(file), found, known, owner=None, since=LAST, today=date(2026, 2, 1)) == []


def test_an_eventcatalog_has_them_complete(exported, tmp_path):
    _, found, known = exported
    files = catalog_files(found, known, Catalog())
    for type, case in TYPES.items():
        (text,) = [text for name, text in files.items() if f"{type.lower()}/schema" in name.lower()]
        file = case._replace(text=text, shared={}).write(tmp_path / "alone", type)
        assert read_file(file).encode(case.data)
