"""Metrics pushed over OTLP are those of a scrape."""

import gzip

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from flowtrail_collector.metrics.otlp import headers_of
from flowtrail_collector.metrics.push import OtlpMetricsPush

pytestmark = pytest.mark.slow

PAGE = [
    b"# HELP lag Records behind.\n# TYPE lag gauge\n",
    b'lag{group="a\\"b",partition="0"} 3\nlag{group="c",partition="1"} +Inf\n',
    b"# HELP lost_total Lost.\n# TYPE lost_total counter\nlost_total 7\n",
    b'# HELP took Took.\n# TYPE took histogram\ntook_bucket{le="0.1"} 2\ntook_bucket{le="1"} 3\n',
    b'took_bucket{le="+Inf"} 5\ntook_sum 4.5\ntook_count 5\n',
]


class Receiver:
    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status)

    def metrics(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for request in self.requests:
            message = ExportMetricsServiceRequest.FromString(gzip.decompress(request.content))
            (resource,) = message.resource_metrics
            assert resource.resource.attributes[0].value.string_value == "flowtrail-collector"
            for metric in resource.scope_metrics[0].metrics:
                found.setdefault(metric.name, metric)
        return found


def push_to(receiver: Receiver, page: list[bytes], endpoint: str = "http://otel:4318") -> OtlpMetricsPush:
    return OtlpMetricsPush(
        endpoint, lambda: page, headers={"authorization": "Bearer hush"},
        transport=httpx.MockTransport(receiver), clock=lambda: 1000.0,
    )  # fmt: skip


def test_gauges_counters_and_histograms_arrive_as_such() -> None:
    receiver = Receiver()
    assert push_to(receiver, PAGE).push()
    found = receiver.metrics()

    (point,) = found["lag"].gauge.data_points
    assert (point.as_double, point.time_unix_nano) == (3.0, 10**12)
    assert {a.key: a.value.string_value for a in point.attributes} == {"group": 'a"b', "partition": "0"}
    lost = found["lost_total"].sum
    assert lost.is_monotonic
    assert (lost.data_points[0].as_double, lost.data_points[0].start_time_unix_nano) == (7.0, 10**12)
    (took,) = found["took"].histogram.data_points
    assert (took.count, took.sum, list(took.explicit_bounds), list(took.bucket_counts)) == (
        5, 4.5, [0.1, 1.0], [2, 1, 2],
    )  # fmt: skip
    assert str(receiver.requests[0].url) == "http://otel:4318/v1/metrics"
    assert receiver.requests[0].headers["authorization"] == "Bearer hush"


def test_a_whole_address_is_taken_as_it_is() -> None:
    receiver = Receiver()
    push_to(receiver, PAGE, "https://x/otlp/v1/metrics").push()
    assert str(receiver.requests[0].url) == "https://x/otlp/v1/metrics"


def test_headers_come_from_the_standard_variables() -> None:
    both = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20all",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "authorization=Bearer%20metrics,x-tenant=shop",
    }
    assert headers_of(both) == {"authorization": "Bearer metrics", "x-tenant": "shop"}
    del both["OTEL_EXPORTER_OTLP_METRICS_HEADERS"]
    assert headers_of(both) == {"authorization": "Bearer all"}
    assert headers_of({}) == {}


def test_a_big_page_goes_in_several_requests() -> None:
    lines = "".join(f'lag{{partition="{i}"}} {i}\n' for i in range(25_000))
    receiver = Receiver()
    push_to(receiver, [b"# HELP lag Lag.\n# TYPE lag gauge\n", lines.encode()]).push()
    assert len(receiver.requests) == 3


def test_a_receiver_that_is_away_is_told_once_and_forgotten_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    receiver = Receiver()
    push = push_to(receiver, PAGE)
    receiver.status = 503
    assert not push.push()
    assert not push.push()
    assert push.problem is None
    receiver.status = 200
    assert push.push()
    lines = [record.getMessage() for record in caplog.records if "otlp_metrics" in record.name]
    assert lines == [
        "metrics can't be pushed to http://otel:4318/v1/metrics: HTTP 503",
        "metrics are pushed to http://otel:4318/v1/metrics again",
    ]
    assert "hush" not in caplog.text
