"""The page about flow files: its example is read, its tables name what there is."""

from __future__ import annotations

import re
from dataclasses import fields

from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.metrics import MappingMetrics
from flowtrail_collector.events.schemas import Problem
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import reader as flowfile
from flowtrail_collector.sagas.metrics import SagaMetrics
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.stuck import Reason
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from tools.docs.blocks import ROOT, blocks_of

PAGE = ROOT / "docs" / "flows.md"


def section(title):
    return PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]


def named(title):
    """What stands in the first column of a section's tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", section(title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_example_is_read():
    block = next(block for block in blocks_of(PAGE) if block.language == "yaml")
    flow = flowfile.parse_flows(block.text).by_name["order-fulfilment"]
    assert [step.name for step in flow.steps] == ["reserve-stock", "charge", "confirm", "ship"]
    assert flow.within_ms == 2 * 86_400_000


def test_every_example_is_read():
    for block in blocks_of(PAGE):
        if block.language == "yaml":
            flowfile.parse_flows(block.text)


def test_every_source_and_problem_of_a_mapping_is_explained():
    words = named("Services without flowtrail")
    assert {problem.value for problem in Problem} <= words
    for source in re.findall(r"`(\{[^`]+\})`", section("Services without flowtrail").split("| a list")[0]):
        flowfile.parse_flows(f"mapping: {{t: {{type: {source}}}}}")


def test_every_key_is_explained():
    assert named("A flow") == set(flowfile._FLOW_KEYS)
    assert named("A step") == set(flowfile._STEP_KEYS)


def test_every_outcome_is_explained():
    assert named("How it ends") == {outcome.value for outcome in Outcome} - {"open"}


def test_every_reason_is_explained():
    assert named("Why is it stuck?") == {reason.value for reason in Reason}


def test_every_metric_is_explained_and_no_other(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    store = SqliteStore(database)
    families = [*SagaMetrics(store, Flows()).families(), *MappingMetrics(store, TopicMappings()).families()]
    suffix = {"counter": "_total"}
    assert named("Metrics") == {family.name + suffix.get(family.type, "") for family in families}
    database.close()


def test_the_flow_model_has_no_key_that_the_file_has_not():
    flow = flowfile.parse_flows("flows: {f: {starts: A, completes: B, steps: {s: {done: C}}}}").by_name["f"]
    assert {item.name.removesuffix("_ms") for item in fields(flow)} - {"name"} == set(flowfile._FLOW_KEYS)
    assert {item.name.removesuffix("_ms") for item in fields(flow.steps[0])} - {"name"} == set(
        flowfile._STEP_KEYS
    )
