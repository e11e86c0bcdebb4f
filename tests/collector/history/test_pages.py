"""History on pages and in the API: charts that say what is known, with gaps, in words and numbers too."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flowtrail_collector.console import error_page
from flowtrail_collector.console._chart import COUNT, HEIGHT, RATE, SECONDS, Curve, chart, spark, within
from flowtrail_collector.console._history import HistoryPages, Sparks
from flowtrail_collector.console._links import Links
from flowtrail_collector.history.model.windows import HOUR, MINUTE, WINDOWS, Stretch
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.history.sampler import Sampler
from flowtrail_collector.history.sources import DEAD_LETTERS, EDGES, KINDS, LAG, MESSAGES, OUTCOMES, STEPS
from flowtrail_collector.history.sources import SECONDS as WAITED
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.history.view import History
from flowtrail_collector.history.web import history_routes
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.web.app import build_app
from trailkit.past import Told

START = 1_767_225_600
EVIL = "<b onload=x>'\"&\x00é"

# --- the drawing

VALUES = st.lists(st.none() | st.floats(0, 1e9) | st.just(5.0), min_size=1, max_size=40)


def drawn(path, slots):
    """The height at which a path runs over each slot; None where it doesn't."""
    heights, place, height = [None] * slots, 0, None
    for command, text in re.findall(r"([MVH])([\d. ]+)", path):
        numbers = [float(number) for number in text.split()]
        if command == "M":
            place, height = int(numbers[0]), numbers[1]
        elif command == "V":
            (height,) = numbers
        else:
            for slot in range(place, int(numbers[0])):
                assert heights[slot] is None
                heights[slot] = height
            place = int(numbers[0])
    assert re.fullmatch(r"([MVH][\d. ]+)*", path)
    return heights


@given(VALUES, st.sampled_from([COUNT, RATE, SECONDS]))
def test_a_line_is_where_a_value_is_known_and_nowhere_else(values, unit):
    stretch = Stretch(START, MINUTE, len(values))
    made = chart("c", "t", stretch, [Curve("a", values)], unit)
    heights = drawn(made.strokes[0].path, len(values))
    assert [height is None for height in heights] == [value is None for value in values]
    known = [(value, height) for value, height in zip(values, heights, strict=True) if value is not None]
    assert all(0 <= height <= HEIGHT for _, height in known)
    for value, height in known:
        for other, lower in known:
            assert not (value > other and height > lower + 0.06)
    gaps = {slot for place, width in made.gaps for slot in range(place, place + width)}
    assert gaps == {slot for slot, value in enumerate(values) if value is None}
    assert made.rows.count("<tr>") == len(known)


@given(VALUES)
def test_a_small_line_says_what_it_shows(values):
    made = spark(values, COUNT, "Lag")
    known = [value for value in values if value is not None]
    if not known:
        assert made is None
        return
    assert ("not known now" in made.words) is (values[-1] is None)
    assert made.words.endswith(f"{COUNT.text(max(known))} at most")
    assert [height is None for height in drawn(made.path, len(values))] == [value is None for value in values]


def test_units():
    assert [COUNT.text(value) for value in (0, 7, 1_234_567)] == ["0", "7", "1,234,567"]
    assert [RATE.text(value) for value in (0.0, 0.01234, 2.5, 1234.5)] == ["0", "0.0123", "2.5", "1,234"]
    within_a_day = within(24 * HOUR)
    assert [within_a_day.text(value) for value in (0.05, 2.5, 300, 24 * HOUR, math.inf)] == [
        "50ms", "2.5s", "5m", "1d", "over 1d",
    ]  # fmt: skip
    assert [SECONDS.line(value) for value in (0, 0.05, 60, 7200)] == ["0", "50ms", "1m", "2h"]


# --- the pages


END = START + 120 * MINUTE


@pytest.fixture
def now():
    return [float(END)]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two hours: five minutes of them are missing, in one nothing was known."""
    database = SqliteDatabase(tmp_path_factory.mktemp("history") / "store.sqlite")
    sources, clock = {of: Told(of) for of in KINDS}, [0.0]
    sampler = Sampler(list(sources.values()), SqlSamples(database), time_seconds=lambda: clock[0])
    cause = ("f" * 16, json.dumps([EVIL, "T", "Timeout", "no *"]))
    for minute in range(120):
        clock[0] = START + (minute + 1) * MINUTE
        if 30 <= minute < 35:
            continue
        told = {
            LAG: Figures(
                {(group, unit): minute for group in ("billing", EVIL) for unit in (MESSAGES, WAITED)},
                whole=False,
            ),
            OUTCOMES: Figures({(flow, "timed_out"): minute for flow in ("f", EVIL, *"abcde")}, whole=True),
            STEPS: Figures({("f", EVIL, "0.5"): minute}, whole=True),
            DEAD_LETTERS: Figures({cause: 3}, whole=True),
            EDGES: Figures({("a", EVIL, "b"): minute * 60}, whole=True),
        }
        for of, source in sources.items():
            source.told = None if minute == 60 else told[of]
        sampler.sample()
    yield History(SqlSamples(database))
    database.close()


@pytest.fixture
def client(history, now):
    def made(links=None):
        pages = HistoryPages(history, links, lambda: now[0] + 10)
        routes = [*pages.routes(), *history_routes(history, time_seconds=lambda: now[0] + 10)]
        app = build_app(routes, token=None, on_error=lambda part, error: None, error_page=error_page)
        return TestClient(app, headers={"accept": "text/html"})

    return made


class Page(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    "narrowed", ["", "&group=billing", "&flow=f", "&group=nobody", "&flow=nobody", "&group="]
)
def test_every_page(client, window, narrowed):
    answer = client().get(f"/history?window={window}{narrowed}")
    assert answer.status_code == 200
    page = Page(answer.text)
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert not [name for _, found in page.tags for name in found if name.startswith("on") or name == "style"]
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))
    pictures = [found for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    assert all(set(found["aria-labelledby"].split()) <= set(ids) for found in pictures)
    assert len(pictures) == [tag for tag, _ in page.tags].count("details")
    assert bool(pictures) is ("nobody" not in narrowed and narrowed != "&group=")
    assert "<b onload" not in answer.text
    assert "\x00" not in answer.text
    assert [
        found["href"]
        for tag, found in page.tags
        if found.get("aria-current") == "page" and "?" in found["href"]
    ]


def test_a_chart_says_its_values_in_a_table(client):
    text = client().get("/history?window=1h&group=billing").text
    assert re.search(r'<desc id="lag-desc">billing: 119 now, 119 at most</desc>', text)
    assert '<th scope="row">01:58</th><td class="number">118</td>' in re.sub(r"\n\s*", "", text)
    # A minute of which nothing is known has neither a row nor a line.
    assert '<th scope="row">01:00</th>' not in text
    assert '<rect class="gap" x="0" y="0" width="1" height="120"/>' in text


def test_flows_beyond_those_drawn_are_named(client):
    text = client().get("/history").text
    assert "Other flows:" in text
    assert text.count(": instances per minute</h2>") == 4


def test_links_to_grafana(client):
    grafana = Links(dashboards="https://grafana.example/team/")
    text = client(grafana).get("/history?window=6h&group=a%26b").text
    assert (
        "https://grafana.example/team/d/flowtrail-lag?from=now-6h&amp;to=now&amp;var-group=a%26b" not in text
    )
    text = client(grafana).get("/history?window=6h&group=billing").text
    assert "https://grafana.example/team/d/flowtrail-lag?from=now-6h&amp;to=now&amp;var-group=billing" in text
    assert "Grafana" not in client().get("/history?group=billing").text
    url = grafana.of_dashboard("flow", "7d", {"flow": "a&b", "order": None})
    assert url == "https://grafana.example/team/d/flowtrail-flow?from=now-7d&to=now&var-flow=a%26b"


@pytest.mark.parametrize("path", ["/history", *(f"/api/v1/history/{of}" for of in ("lag", "steps", "edges"))])
@pytest.mark.parametrize("query", ["window=2h", "windo=1h", "window=1h&window=6h", "group=a&x=1"])
def test_what_can_not_be_asked(client, path, query):
    answer = client().get(f"{path}?{query}", headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_either_a_group_or_a_flow(client):
    assert client().get("/history?group=a&flow=b").status_code == 400


@pytest.mark.parametrize("of", ["lag", "outcomes", "steps", "dead-letters", "edges"])
@pytest.mark.parametrize("window", WINDOWS.values())
def test_every_answer(client, now, of, window):
    answer = client().get(f"/api/v1/history/{of}?window={window.name}&limit=1").json()
    assert answer["step_seconds"] == window.step
    begin, end = (datetime.fromisoformat(answer[name]).timestamp() for name in ("start", "end"))
    assert end - begin == window.seconds
    (series,) = answer["series"]
    columns = [values for values in series.values() if isinstance(values, list)]
    assert columns
    assert {len(values) for values in columns} == {window.seconds // window.step}
    assert answer["left_out"] == (
        0 if of in ("steps", "dead-letters", "edges") else 6 if of == "outcomes" else 1
    )


def test_answers_have_gaps(client):
    answer = client().get("/api/v1/history/lag?window=6h&group=billing").json()
    (series,) = answer["series"]
    known = [value for value in series["lag"] if value is not None]
    assert known == [value for value in range(4, 120, 5) if value != 34]
    assert series["lag"][-(120 - 30) // 5] is None
    assert series["lag_seconds"][-2] == pytest.approx(series["lag"][-2] / 1000)


# --- small lines


def test_small_lines_are_made_once_a_minute(history, now):
    reads = []

    class Counted(History):
        def __init__(self):
            pass

        def lag(self, stretch):
            reads.append(stretch)
            return history.lag(stretch)

    sparks = Sparks(Counted(), lambda: now[0] + 10)
    assert set(sparks.groups()) == {"billing", EVIL}
    now[0] += 30
    assert "119 now" in sparks.groups()["billing"].words
    assert len(reads) == 1
    now[0] += 30
    sparks.groups()
    assert len(reads) == 2


def test_small_lines_of_everything(history, now):
    sparks = Sparks(history, lambda: now[0] + 10)
    assert set(sparks.causes()) == {"f" * 16}
    assert set(sparks.edges()) == {("a", EVIL, "b")}
    assert sparks.flows() == {}
    assert sparks.edges()["a", EVIL, "b"].slots == 24
    now[0] += 30 * HOUR
    assert sparks.groups() == {}
