"""The metrics page: both formats, both encodings, every name."""

import gzip
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,  # type: ignore[import-untyped, unused-ignore]
)
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from flowtrail_collector.lag.metrics.exposition import CycleFigures, LagPage
from flowtrail_collector.lag.metrics.lines import LineTemplate
from flowtrail_collector.lag.model import UNKNOWN_STATUS
from flowtrail_collector.metrics.deflate import Deflater, gzip_stream
from lagkit import SimulatedCluster, Watch

FIGURES = CycleFigures(1_700_000_000.0, 0.25, 3, 2, 4, {"group": 1}, {"group": 0, "broker": 1})
NASTY = 'a"b\\c\nd%d {x} \0 %s é'


def cluster_with_two_groups() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders", 2)
    cluster.topic("payments")
    cluster.produce("orders", 0, 10, at=cluster.now - 40)
    cluster.produce("orders", 1, 10, at=cluster.now - 20)
    cluster.produce("payments", 0, 5)
    for group, offset in (("billing", 4), (NASTY, 10)):
        cluster.commit(group, "orders", 0, offset)
        cluster.commit(group, "orders", 1, offset)
    cluster.commit("billing", "payments", 0, 5)
    return cluster


def page_of(cluster: SimulatedCluster, **settings: object) -> tuple[LagPage, Watch]:
    watch = Watch(cluster, slow_seconds=5)
    watch.run(10)
    page = LagPage(clock=cluster.clock, **settings)  # type: ignore[arg-type]
    page.publish(list(watch.readings.values()), watch.collection.table, FIGURES)
    return page, watch


def families(page: LagPage, *, openmetrics: bool) -> Mapping[str, Metric]:
    text = page.text(openmetrics).decode()
    parsed = openmetrics_families(text + "# EOF\n") if openmetrics else prometheus_families(text)
    found = list(parsed)
    assert len({family.name for family in found}) == len(found), "a family was interrupted by another"
    return {family.name: family for family in found}


def value(found: Mapping[str, Metric], name: str, **labels: str) -> float:
    family = found[name.removesuffix("_total")]
    (sample,) = [s for s in family.samples if s.name == name and s.labels == labels]
    return float(sample.value)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_figure_is_there_under_its_name(openmetrics: bool) -> None:
    page, watch = page_of(cluster_with_two_groups())
    found = families(page, openmetrics=openmetrics)

    where = {"group": "billing", "topic": "orders", "partition": "1"}
    assert value(found, "kafka_consumergroup_group_offset", **where) == 4
    assert value(found, "kafka_consumergroup_group_lag", **where) == 6
    assert value(found, "kafka_consumergroup_group_lag_seconds", **where) == pytest.approx(30, abs=0.01)
    assert value(found, "flowtrail_group_partition_status", **where) == 0
    assert value(found, "kafka_partition_latest_offset", topic="orders", partition="1") == 10
    assert value(found, "kafka_partition_earliest_offset", topic="orders", partition="1") == 0
    topic = {"group": "billing", "topic": "orders"}
    assert value(found, "kafka_consumergroup_group_topic_sum_lag", **topic) == 12
    assert value(found, "flowtrail_group_topic_max_lag_seconds", **topic) == pytest.approx(50, abs=0.01)
    assert value(found, "flowtrail_group_catch_up_seconds", **topic) == float("inf")
    assert value(found, "flowtrail_group_retention_margin_messages", **topic) == 4
    assert value(found, "flowtrail_group_messages_lost_total", **topic) == 0
    assert value(found, "kafka_consumergroup_group_sum_lag", group="billing") == 12
    assert value(found, "kafka_consumergroup_group_max_lag", group="billing") == 6
    assert value(found, "kafka_consumergroup_group_max_lag_seconds", group="billing") == pytest.approx(
        50, abs=1
    )
    assert value(found, "flowtrail_group_status", group="billing") == 0
    assert value(found, "flowtrail_group_members", group="billing") == 1
    assert value(found, "flowtrail_group_info", group="billing", type="classic", state="stable") == 1
    assert value(found, "flowtrail_group_uncommitted_partitions", group="billing") == 0
    assert value(found, "flowtrail_group_orphaned_commits", group="billing") == 0
    assert value(found, "flowtrail_group_read_at_seconds", group="billing") == pytest.approx(
        watch.cluster.now
    )
    assert value(found, "flowtrail_collector_lag_cycles_total") == 3
    assert value(found, "flowtrail_collector_lag_errors_total", scope="group") == 1
    assert value(found, "flowtrail_collector_lag_failing", scope="broker") == 1
    assert value(found, "flowtrail_collector_lag_cycle_seconds") == 0.25
    assert value(found, "flowtrail_collector_lag_age_seconds") == pytest.approx(10, abs=0.01)
    for family in found.values():
        assert all(sample.value == sample.value and sample.value >= 0 for sample in family.samples)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_names_from_a_broker_cannot_break_out_of_their_label(openmetrics: bool) -> None:
    page, _ = page_of(cluster_with_two_groups())
    found = families(page, openmetrics=openmetrics)
    groups = {s.labels["group"] for s in found["kafka_consumergroup_group_lag"].samples}
    assert groups == {"billing", NASTY}


def test_what_is_not_known_is_absent() -> None:
    cluster = cluster_with_two_groups()
    cluster.logs["orders", 1].leader = 2
    cluster.failing_brokers.add(2)
    page, _ = page_of(cluster)
    found = families(page, openmetrics=False)
    for name in ("lag", "lag_seconds"):
        samples = found[f"kafka_consumergroup_group_{name}"].samples
        assert {(s.labels["topic"], s.labels["partition"]) for s in samples} == {
            ("orders", "0"),
            ("payments", "0"),
        }
    assert (
        value(found, "kafka_consumergroup_group_offset", group="billing", topic="orders", partition="1") == 4
    )
    assert "-1" not in page.text(False).decode().split()
    assert "NaN" not in page.text(False).decode()


@pytest.mark.parametrize(
    ("granularity", "absent", "present"),
    [
        ("topic", "kafka_consumergroup_group_lag", "kafka_consumergroup_group_topic_sum_lag"),
        ("group", "kafka_consumergroup_group_topic_sum_lag", "kafka_consumergroup_group_sum_lag"),
    ],
)
def test_granularity_leaves_the_finer_series_out(granularity: str, absent: str, present: str) -> None:
    page, _ = page_of(cluster_with_two_groups(), granularity=granularity, compat=["kafka_exporter"])
    found = families(page, openmetrics=False)
    assert absent not in found
    assert "kafka_partition_latest_offset" not in found
    assert "kafka_consumergroup_lag" not in found
    assert present in found
    assert "flowtrail_group_messages_lost" in found


def test_kafka_exporters_names_on_request() -> None:
    page, _ = page_of(cluster_with_two_groups(), compat=["kafka_exporter"])
    found = families(page, openmetrics=False)
    where = {"consumergroup": "billing", "topic": "orders", "partition": "0"}
    assert value(found, "kafka_consumergroup_lag", **where) == 6
    assert value(found, "kafka_consumergroup_current_offset", **where) == 4
    topic = {"consumergroup": "billing", "topic": "orders"}
    assert value(found, "kafka_consumergroup_lag_sum", **topic) == 12
    assert value(found, "kafka_consumergroup_current_offset_sum", **topic) == 8
    assert value(found, "kafka_consumergroup_members", consumergroup="billing") == 1
    assert value(found, "kafka_topic_partitions", topic="orders") == 2
    assert value(found, "kafka_topic_partition_current_offset", topic="orders", partition="0") == 10
    assert value(found, "kafka_topic_partition_oldest_offset", topic="orders", partition="0") == 0


def test_gzip_is_one_member_with_the_same_content() -> None:
    page, _ = page_of(cluster_with_two_groups())
    packed = b"".join(gzip_stream(page.parts(False)))
    assert gzip.decompress(packed) == page.text(False)
    one_member = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert one_member.decompress(packed) == page.text(False)
    assert one_member.eof
    assert one_member.unused_data == b""


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_any_pieces_make_one_valid_stream(contents: list[bytes]) -> None:
    deflater = Deflater()
    pieces = [deflater.piece(content) for content in contents]
    deflater.finish()
    assert gzip.decompress(b"".join(gzip_stream(pieces))) == b"".join(contents)
    assert [piece.content() for piece in pieces] == contents


def test_lines_that_did_not_change_are_not_made_again() -> None:
    deflater = Deflater()
    template = LineTemplate(['a="1"', 'a="2"'])
    first = template.render(deflater, "x", (1, 2))
    assert template.render(deflater, "x", (1, 2)) is first
    changed = template.render(deflater, "x", (1, None))
    statuses = template.render(deflater, "y", bytes((3, UNKNOWN_STATUS)))
    never = template.render(deflater, "z", [float("inf"), 1.5], decimals=2)
    deflater.finish()
    assert changed.content() == b'x{a="1"} 1\n'
    assert statuses.content() == b'y{a="1"} 3\n'
    assert never.content() == b'z{a="1"} +Inf\nz{a="2"} 1.50\n'
