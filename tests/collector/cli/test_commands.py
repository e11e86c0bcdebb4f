"""The `flowtrail` command against a collector's API, in this process and as a program of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flowtrail_collector.cli import main
from flowtrail_collector.cli._timeline import Timeline
from flowtrail_collector.cli._trail_view import PUBLISHED, TrailView
from flowtrail_collector.conditions import Condition, Remark, Starting
from flowtrail_collector.dead_letters.web.routes import dead_letter_routes
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.sagas.web import saga_routes
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.drawing import TimeScale
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.json import trail_json
from flowtrail_collector.trails.web import trail_routes
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.health import health_routes
from flowtrail_collector.wording import age, format_seconds, printable
from trailkit import orders
from trailkit.fakes import FakeReads, FakeSpans
from trailkit.web import served

pytestmark = pytest.mark.slow(0.3)

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def url():
    reads = FakeReads()
    routes = [
        *trail_routes(TrailFinder(reads, FakeSpans())),
        *saga_routes(reads),
        *dead_letter_routes(reads),
        *health_routes(
            lambda: {
                "tail": Condition.of("no broker"),
                "lag": Condition.of(Starting("hasn't collected lag yet")),
                "rabbitmq": Condition.of(Remark("follows no exchange")),
            },
            lambda: {"version": "1"},
        ),
    ]
    with served(build_app(routes, token=None, on_error=lambda part, error: None)) as url:
        yield url


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")

    def run(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_trace_draws_one_order(run, url):
    code, out, err = run("trace", "ord-1", "--url", url)
    assert (code, err) == (0, "")
    assert "fulfilment · open" in out
    assert re.search(r"orders +● OrderPlaced → orders/0@0", out)
    assert "\x1b" not in out


def test_trace_as_json(run, url):
    code, out, _ = run("trace", "e2", "--url", url, "--json")
    assert code == 0
    assert json.loads(out)["matched_by"] == "event id"


def test_an_id_with_slashes_and_blanks_is_found(run, url):
    assert run("trace", "ord/2 <b>", "--url", url)[0] == 0


def test_an_unknown_id_is_one_line_and_exit_code_1(run, url):
    code, out, err = run("trace", "nobody", "--url", url)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "nobody" in err


def test_an_id_of_several_flows_lists_them(run, url):
    code, out, _ = run("trace", "cust-1", "--url", url)
    assert code == 1
    assert "flow-1" in out
    assert "flow-2" in out


def test_sagas_and_their_exit_codes(run, url):
    code, out, _ = run("sagas", "--url", url)
    assert code == 0
    assert "ord-1" in out
    assert run("sagas", "--stuck", "--url", url)[0] == 1
    assert run("sagas", "--outcome", "sunny", "--url", url)[0] == 2
    assert json.loads(run("sagas", "--json", "--url", url)[1])["sagas"]


def test_dead_letters(run, url):
    code, out, _ = run("dlq", "list", "--url", url)
    assert code == 0
    assert "orders.billing.dlq/0@0" in out
    assert json.loads(run("dlq", "list", "--json", "--url", url)[1])["dead_letters"]


def test_doctor_finds_what_is_wrong(run, url):
    code, out, _ = run("doctor", "--url", url)
    assert code == 1
    assert "FAIL  tail: failing: no broker" in out
    assert "ok    lag: starting: hasn't collected lag yet" in out
    assert "ok    rabbitmq: running: follows no exchange" in out


def test_no_collector_is_one_line_and_exit_code_3(run):
    code, out, err = run("sagas", "--url", "http://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "flowtrail collector run" in err


@pytest.mark.parametrize("wrong", ["nonsense", "ftp://x", "http://[::1", "http://\x00"])
def test_a_senseless_url_is_one_line_and_exit_code_2(run, wrong):
    code, _, err = run("sagas", "--url", wrong)
    assert (code, err.count("\n")) == (2, 1)


def test_another_server_is_recognised(run):
    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>hello</html>"})

    with served(page) as url:
        code, _, err = run("sagas", "--url", url)
    assert (code, "not a flowtrail collector" in err) == (3, True)


def test_a_token_is_sent(run, monkeypatch):
    routes = saga_routes(FakeReads())
    with served(build_app(routes, token=TOKEN, on_error=lambda part, error: None)) as url:
        code, _, err = run("sagas", "--url", url)
        assert (code, "token" in err) == (2, True)
        monkeypatch.setenv("FLOWTRAIL_TOKEN", TOKEN)
        assert run("sagas", "--url", url)[0] == 0


def test_usage_errors_and_help(run):
    assert run("--version")[1].startswith("flowtrail ")
    assert run("--help")[0] == 0
    assert run("nonsense")[0] == 2
    assert run("trace")[0] == 2
    assert run("sagas", "--limit", "0")[0] == 2
    for command in ("trace", "sagas", "lag", "dlq", "flows", "collector", "doctor"):
        assert run(command, "--help")[0] == 0


def test_as_a_program(url):
    environment = {**os.environ, "FLOWTRAIL_COLLECTOR_URL": url, "COLUMNS": "100"}
    result = subprocess.run(
        [sys.executable, "-m", "flowtrail_collector", "trace", "nobody"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("flowtrail: nothing is known of 'nobody'")


def test_without_the_extra_the_command_names_it():
    program = (
        "import sys; sys.modules['click'] = None; from flowtrail_collector.cli import main; sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install '.[collector]' in a checkout" in result.stderr
    assert "Traceback" not in result.stderr


def drawn(inputs, width=110, encoding="utf-8", now_ms=100_000, styles=False, terminal=True):
    trail = trail_json(assemble(inputs, now_ms=orders.START_MS + now_ms))
    with open(os.devnull, "w", encoding=encoding) as sink:
        console = Console(
            file=sink,
            width=width,
            record=True,
            highlight=False,
            markup=False,
            emoji=False,
            force_terminal=terminal,
        )
        TrailView(console, trail, now=datetime.fromtimestamp((orders.START_MS + now_ms) / 1000, UTC)).print()
        return console.export_text(styles=styles)


@pytest.mark.parametrize("width", [40, 60, 80, 110, 200, 500])
@pytest.mark.parametrize("story", [orders.completed, orders.declined, orders.poisoned])
def test_rows_keep_to_the_width(story, width):
    text = drawn(story(), width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [40, 60, 80, 110, 200, 500])
@pytest.mark.parametrize("story", [orders.completed, orders.declined, orders.poisoned])
def test_nothing_that_happened_is_cut(story, width):
    trail = trail_json(assemble(story(), now_ms=orders.START_MS + 100_000))
    words = drawn(story(), width).split()
    for entry in trail["entries"]:
        assert entry["service"] in words
        if entry["kind"] in PUBLISHED:
            assert f"{entry['topic']}/{entry['partition']}@{entry['offset']}" in words
            assert entry["name"] in words


def test_a_pipe_has_one_line_for_each_thing_that_happened():
    text = drawn(orders.declined(), 40, terminal=False)
    trail = trail_json(assemble(orders.declined(), now_ms=orders.START_MS + 100_000))
    for entry in trail["entries"]:
        if entry["kind"] in PUBLISHED:
            place = f"{entry['name']} → {entry['topic']}/{entry['partition']}@{entry['offset']}"
            assert len(re.findall(rf"^.*{re.escape(place)}.*\d+ms$", text, re.MULTILINE)) == 1


def test_the_drawing_shows_queue_work_retries_and_errors():
    text = drawn(orders.completed())
    assert "order-fulfilment · completed · 385ms · ord-1" in text
    assert re.search(r"billing +■ StockReserved +░+█+ +28ms +50ms", text)
    assert "└ GatewayTimeoutError: no answer within 50 ms" in text
    assert "↻ StockReserved (attempt 2)" in text
    assert text.index("StockReserved (attempt 2)") < text.index("PaymentCompleted")


def test_the_drawing_shows_what_is_missing_and_since_when():
    text = drawn(orders.poisoned(), width=140)
    assert "✖ dead letter StockReserved" in text
    assert re.search(r"billing +○ missing: charge +┄+▓+ +1m 40s\n", text)
    assert "└ expects PaymentCompleted or PaymentFailed, overdue 39.9s" in text
    assert re.search(r"fulfillment +○ later: ship *\n +└ expects OrderShipped\n", text)
    assert "thank" not in text


def test_before_its_deadline_a_missing_step_shows_the_time_it_still_has():
    text = drawn(orders.poisoned(), width=140, now_ms=30_000)
    assert re.search(r"missing: charge +┄+·+ +29.9s\n", text)
    assert "due in 30.1s" in text
    (row,) = re.findall(r"dead letter StockReserved.*", text)
    assert row.index("█") > 75, "the 60 s after it leave the story most of the axis"


def test_a_terminal_without_unicode_gets_ascii():
    drawn(orders.completed(), encoding="ascii").encode("ascii")


def test_nothing_from_outside_controls_the_terminal():
    story = orders.Story(subject="\x1b[2Jord")
    story.send("ser\x1bvice", "to\x07pic", "Type\x1b]0;x\x07", 0)
    text = drawn(story.inputs())
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0000005, "0µs"),
        (0.00085, "850µs"),
        (0.012, "12ms"),
        (1.4, "1.40s"),
        (42.3, "42.3s"),
        (125, "2m 05s"),
        (11400, "3h 10m"),
        (352800, "4d 02h"),
        (-2, "-2.00s"),
    ],
)
def test_time_spans_read_well(seconds, text):
    assert format_seconds(seconds) == text


def test_ages():
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert age("2026-01-01T11:59:00Z", now=now) == "1m 00s ago"
    assert age("2026-01-01T12:00:30Z", now=now) == "in 30.0s"
    assert age(None) == ""
    assert printable("a\x00b") == "a\ufffdb"


@pytest.mark.parametrize("total", [0, 0.000001, 0.3, 7, 45, 400, 7_000, 90_000, 3_000_000])
@pytest.mark.parametrize("cells", [12, 50, 140])
def test_the_axis_fits_and_has_labels(total, cells):
    axis = Timeline(TimeScale(total), cells).axis()
    assert len(axis) == cells
    assert axis.startswith("0")
    if total and cells >= 50:
        assert len(axis.split()) >= 2


def test_trace_as_a_document(run, url, tmp_path):
    path = tmp_path / "trail.html"
    code, out, _ = run("trace", "ord-1", "--url", url, "--html", str(path))
    assert (code, out.strip()) == (0, str(path))
    assert "OrderPlaced" in path.read_text(encoding="utf-8")
    code, _, err = run("trace", "ord-1", "--url", url, "--html", str(tmp_path / "no" / "folder.html"))
    assert (code, err.count("\n")) == (2, 1)


def test_following_ends_with_the_saga(run, monkeypatch):
    class Growing(FakeReads):
        ended = None

        def sagas(self, correlation_ids, subjects, limit):
            return [SagaView("fulfilment", "ord-1", "open", 1000, self.ended)]

    reads = Growing()

    def wait(seconds):
        reads.ended = 5000

    monkeypatch.setattr("flowtrail_collector.cli.trace.time.sleep", wait)
    app = build_app(trail_routes(TrailFinder(reads, FakeSpans())), token=None, on_error=lambda *args: None)
    with served(app) as url:
        code, out, _ = run("trace", "ord-1", "--url", url, "--follow")
    assert (code, out.count("SERVICE")) == (0, 2)


EARLY = StoredEvent("e1", "OrderPlaced", "orders", 0, 0, "/orders", "ord-1", "c-1", None, 1000, 1000)


def test_following_draws_what_comes_and_what_becomes_late_not_the_time_that_goes_by(run, monkeypatch):
    moments = iter(["quiet", "late", "quiet", "more", "end"])
    shown = []

    class Growing(FakeReads):
        deadline_ms, events, ended = 4 * 10**12, (EARLY,), None

        def sagas(self, correlation_ids, subjects, limit):
            step = StepView(
                "charge", "open", ("PaymentCompleted",), "billing", self.deadline_ms, since_ms=1000
            )
            return [SagaView("fulfilment", "ord-1", "open", 1000, self.ended, steps=(step,))]

        def events_by_subject(self, subject, limit):
            return list(self.events)

        def events_by_correlation(self, correlation_ids, limit):
            return list(self.events)

    reads = Growing()

    def wait(seconds):
        moment = next(moments)
        shown.append(moment)
        if moment == "late":
            reads.deadline_ms = 2000
        elif moment == "more":
            reads.events = (EARLY, replace(EARLY, event_id="e2", offset=1))
        elif moment == "end":
            reads.ended = 5000

    monkeypatch.setattr("flowtrail_collector.cli.trace.time.sleep", wait)
    app = build_app(trail_routes(TrailFinder(reads, FakeSpans())), token=None, on_error=lambda *args: None)
    with served(app) as url:
        code, out, _ = run("trace", "ord-1", "--url", url, "--follow")
    assert (code, shown) == (0, ["quiet", "late", "quiet", "more", "end"])
    first, late, more, _ = out.split("SERVICE")[1:]
    assert ("due in" in first, "overdue" in first) == (True, False)
    assert "overdue" in late
    assert more.count("●") == late.count("●") + 1


def test_a_long_silence_is_drawn_short():
    story = orders.Story()
    story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    story.send("orders", "orders", "OrderCancelled", 3_600_000, event_id="e2")
    text = drawn(story.inputs())
    axis = next(line for line in text.splitlines() if line.startswith("SERVICE"))
    assert re.search(r"/+1h", axis)
    assert "1h" in axis
    first, second = (line for line in text.splitlines() if "█" in line)
    assert first.count("█") > 10
    assert second.index("█") > first.rindex("█")


def test_a_long_wait_is_not_silence():
    story = orders.Story()
    sent = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    story.process("billing", sent, 3_600_000, 20)
    assert not re.search(r"/+1h", drawn(story.inputs()))


# Spans and records have whole microseconds at best.
seconds = st.integers(0, 10**12).map(lambda microseconds: microseconds / 1e6)
short = st.integers(0, 10**8).map(lambda microseconds: microseconds / 1e6)
stretches = st.tuples(seconds, short).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(stretches, min_size=1, max_size=6), st.lists(seconds, min_size=2, max_size=5))
def test_the_scale_keeps_the_order_of_time_and_stays_within_the_axis(busy, moments):
    total = max(end for _, end in busy)
    scale = TimeScale.of(total, busy)
    places = [scale.place(moment) for moment in sorted(moments)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert scale.place(0) == 0
    # The floats of a nearly empty stretch are coarse: 1e-3 of the axis is less than a column.
    assert scale.place(total) == pytest.approx(1 if total else 0, abs=1e-3)
