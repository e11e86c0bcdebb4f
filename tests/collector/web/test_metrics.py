"""`/metrics`: both formats, plain and packed, however many series there are."""

from __future__ import annotations

import zlib

import pytest
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowtrail_collector.metrics.deflate import piece_of
from flowtrail_collector.metrics.exposition import Exposition, Families, LeaderOnly
from flowtrail_collector.web.metrics import accepts_gzip, metrics_routes, wants_openmetrics

PARSERS = {"text/plain": parse_text, "application/openmetrics-text": parse_openmetrics}


class Few(Families):
    def families(self):
        return [CounterMetricFamily("things", "Things.", value=3)]


class Many:
    """As many series as a big cluster has."""

    def parts(self, openmetrics):
        lines = ["".join(f'many{{group="{g}",part="{p}"}} {p}\n' for p in range(500)) for g in range(60)]
        return [piece_of(text.encode()) for text in ("# TYPE many gauge\n", *lines)]


class Broken:
    def parts(self, openmetrics):
        raise RuntimeError("no pieces")


def client_of(*sources):
    return TestClient(Starlette(routes=metrics_routes(Exposition(sources))))


@pytest.mark.slow(2)
@pytest.mark.parametrize("media_type", PARSERS)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_page_of_many_series_is_whole_in_every_form(media_type, encoding):
    headers = {"accept": media_type, "accept-encoding": encoding}
    with client_of(Few(), Many(), Broken()).stream("GET", "/metrics", headers=headers) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-type"].startswith(media_type)
    assert int(response.headers["content-length"]) == len(raw)
    assert response.headers.get("content-encoding", "identity") == encoding
    # One member: some clients stop after the first.
    text = zlib.decompress(raw, 31) if encoding == "gzip" else raw
    found = {family.name: family for family in PARSERS[media_type](text.decode())}
    assert len(found["many"].samples) == 30_000
    assert [sample.value for sample in found["things"].samples] == [3.0]


@pytest.mark.slow
def test_no_part_of_a_big_page_is_big():
    page = Exposition([Many()]).page()
    chunks = list(page.chunks())
    assert sum(map(len, chunks)) == page.size > 500_000
    assert max(map(len, chunks)) < 300_000
    assert all(chunk.endswith(b"\n") for chunk in chunks)


def test_what_another_worker_shows_is_left_out():
    leads = [True]
    exposition = Exposition([LeaderOnly(Many(), lambda: leads[0])])
    assert exposition.page().size > 500_000
    leads[0] = False
    assert b"".join(exposition.page().chunks()) == b""


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (None, False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=high", False),
    ],
)
def test_the_format_a_client_prefers_is_taken(accept, openmetrics):
    assert wants_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("header", "allowed"),
    [(None, False), ("br", False), ("gzip;q=0, *", False), ("deflate, GZIP;q=0.5", True), ("*", True)],
)
def test_gzip_goes_to_those_who_take_it(header, allowed):
    assert accepts_gzip(header) is allowed
