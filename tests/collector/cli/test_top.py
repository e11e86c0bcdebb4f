"""`flowtrail top` on a real terminal: what it shows, how it fits, how it leaves."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flowtrail_collector.cli import main
from flowtrail_collector.cli._top_figures import Figures
from flowtrail_collector.cli._top_screen import screen
from flowtrail_collector.conditions import Condition
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.health import health_routes
from flowtrail_collector.web.server import WebServer, listen
from screenkit import ANSWERS, GROUP_NAMES, IDS, SERVICES, collector, session
from trailkit.web import served
from waiting import scaled, until

pytestmark = pytest.mark.slow(0.3)

AWAY = "no collector answers"


@pytest.fixture(scope="module")
def url():
    with served(collector()) as url:
        yield url


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextlib.contextmanager
def serving(port: int):
    listener = listen("127.0.0.1", port)
    server = WebServer(collector(), listener)
    thread = threading.Thread(target=server.run, kwargs={"on_ready": lambda: None}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(scaled(10))
        listener.close()


def fits(frame: list[str], width: int, height: int) -> bool:
    return 0 < len(frame) <= height and max(map(cell_len, frame)) <= width


@pytest.mark.parametrize("leaving", ["q", "Q", "\x03", "\x04", signal.SIGTERM, signal.SIGHUP], ids=repr)
def test_it_leaves_a_clean_terminal(url, leaving):
    with session(["top", "--url", url]) as seen:
        seen.until_shown(GROUP_NAMES[0])
        assert not seen.is_as_before, "keys are taken as they are typed"
        if isinstance(leaving, str):
            seen.type(leaving)
        else:
            seen.process.send_signal(leaving)
        assert seen.ended() == 0
        assert seen.is_as_before
        assert seen.output.count("\x1b[?1049h") == seen.output.count("\x1b[?1049l") == 1
        assert seen.output.rindex("\x1b[?25h") > seen.output.rindex("\x1b[?25l")
        assert "Traceback" not in seen.output


def test_suspended_it_gives_the_terminal_to_the_shell_and_takes_it_again(url):
    with session(["top", "--url", url]) as seen:
        at = seen.until_shown(GROUP_NAMES[0])
        # By itself: a process without a parent in its session isn't stopped by a key.
        seen.process.send_signal(signal.SIGTSTP)
        at = seen.until_shown("\x1b[?1049l", after=at)
        until(lambda: seen.is_as_before, "the terminal as it was")
        seen.process.send_signal(signal.SIGCONT)
        at = seen.until_shown("\x1b[?1049h", after=at)
        seen.until_shown(GROUP_NAMES[0], after=at)
        seen.type("q")
        assert seen.ended() == 0


def test_every_screen_fits_whatever_size_it_has(url):
    sizes = [(80, 24), (200, 60), (40, 10), (20, 5), (12, 3), (3, 1), (80, 24)]
    with session(["top", "--url", url, "--interval", "0.2"]) as seen:
        seen.until_shown(GROUP_NAMES[0])
        for width, height in sizes:
            seen.resize(width, height)
            # What was drawn before it was told has the other size.
            until(lambda: fits(seen.frame, width, height), f"a screen of {width} x {height}")  # noqa: B023
            drawn = len(seen.frames)
            until(lambda: len(seen.frames) > drawn + 1, "another screen")  # noqa: B023
            assert all(fits(frame, width, height) for frame in seen.frames[drawn:])
        lines = seen.frame
        assert any(line.startswith("GROUP") for line in lines)
        assert any(line.startswith("FLOW") for line in lines)
        assert any(line.startswith("STUCK") for line in lines)
        assert any(line.startswith("DEAD LETTERS") for line in lines)
        assert lines[0].startswith("flowtrail 1.0")
        assert lines[0].rstrip().endswith("q: quit")


def test_a_collector_may_come_late_go_and_come_back():
    port = free_port()
    with session(["top", "--url", f"http://127.0.0.1:{port}", "--interval", "0.2"]) as seen:
        at = seen.until_shown(AWAY)
        with serving(port):
            at = seen.until_shown(GROUP_NAMES[0], after=at)
            until(lambda: seen.frame and AWAY not in "".join(seen.frame), "a screen without trouble")
        at = seen.until_shown(AWAY, after=at)
        until(lambda: sum(AWAY in line for line in seen.frame) == 1, "one line about it")
        assert any(GROUP_NAMES[0] in line for line in seen.frame), "the last figures stay"
        with serving(port):
            until(lambda: seen.frame and AWAY not in "".join(seen.frame), "a screen without trouble")
        seen.type("q")
        assert seen.ended() == 0


def test_who_waits_for_a_collector_that_hangs_can_leave():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with session(["top", "--url", url]) as seen:
            seen.until_shown("asking the collector")
            seen.type("q")
            assert seen.ended() == 0
            assert "Traceback" not in seen.output


def test_a_refusal_ends_it_with_one_line():
    routes = health_routes(dict, lambda: {"version": "1"})
    with (
        served(build_app(routes, token="a-token-of-some-length", on_error=print)) as url,
        session(["top", "--url", url], 200) as seen,
    ):
        assert seen.ended() == 2
        assert seen.is_as_before
        left = seen.output.split("\x1b[?1049l")[-1]
        assert len([line for line in left.splitlines() if "token" in line]) == 1


def test_once_and_through_a_pipe(url, capsys):
    assert main(["top", "--once", "--url", url]) == 0
    once = capsys.readouterr().out
    assert main(["top", "--url", url]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(once.splitlines())
    assert [name for name in [*GROUP_NAMES, *SERVICES, *IDS] if name not in once] == []


def test_json_is_what_the_api_answers(url, capsys):
    assert main(["top", "--json", "--url", url]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["flows"] == ANSWERS["/api/v1/flows"]["flows"]
    assert found["groups"] == ANSWERS["/api/v1/lag"]["groups"]
    assert found["causes"] == ANSWERS["/api/v1/dead-letters/causes"]["causes"]


@pytest.mark.parametrize("options", [["--once"], ["--json"], []])
def test_without_a_collector_once_says_so_in_a_line(options, capsys):
    assert main(["top", *options, "--url", "http://127.0.0.1:9"]) == 3
    found = capsys.readouterr()
    assert (found.out, found.err.count("\n")) == ("", 1)


def test_what_cannot_be_told_takes_nothing_else_along(capsys):
    routes = health_routes(lambda: {"tail": Condition.of("no broker")}, lambda: {"version": "1"})
    with served(build_app(routes, token=None, on_error=print)) as url:
        assert main(["top", "--once", "--url", url]) == 0
    out = capsys.readouterr().out
    assert "tail is failing: no broker" in out
    assert "GROUP" in out


NAMES = st.text(st.sampled_from("abc-.é漢"), min_size=1, max_size=90)
GROUPS = st.lists(
    st.fixed_dictionaries(
        {
            "group": NAMES, "status": st.sampled_from(["ok", "stopped", None]),
            "verdict": st.sampled_from(["ok", "stopped", "ok, no members", None]),
            "age_seconds": st.sampled_from([None, 75.0]),
            "lag": st.one_of(st.none(), st.integers(0, 10**15)), "lag_seconds": st.one_of(st.none(), st.floats(0, 1e9)),
            "catching_up": st.booleans(), "catch_up_seconds": st.one_of(st.none(), st.floats(0, 1e9)),
            "members": st.one_of(st.none(), st.integers(0, 10**4)),
        }
    ),
    max_size=8,
)  # fmt: skip


def figures(groups: list[dict], more: int) -> Figures:
    flows = [{"name": group["group"], "instances": {"open": group["members"] or 0}} for group in groups]
    status = {"version": "1", "parts": {}}
    return Figures("http://x", datetime(2026, 1, 1, tzinfo=UTC), status, flows, [], groups, more, [])


@given(groups=GROUPS, more=st.integers(0, 5), width=st.integers(2, 220), height=st.integers(1, 70))
def test_no_screen_is_wider_or_longer_than_the_terminal(groups, more, width, height):
    lines = screen(figures(groups, more), "", width, height, "q: quit")
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width


@given(groups=GROUPS, width=st.integers(20, 220))
def test_no_name_is_cut(groups, width):
    said = "".join(line.plain for line in screen(figures(groups, 0), "", width, None))
    assert [group["group"] for group in groups if group["group"] not in said] == []


@given(groups=GROUPS, more=st.integers(0, 5), height=st.integers(24, 40))
def test_what_there_is_no_room_for_is_counted(groups, more, height):
    found = figures(groups, more if groups else 0)
    lines = [line.plain for line in screen(found, "", 80, height)]
    start = next(number for number, line in enumerate(lines) if line.startswith("GROUP"))
    end = next(number for number, line in enumerate(lines) if line.startswith("DEAD LETTERS"))
    shown = [line for line in lines[start + 1 : end] if line]
    told = sum(int(line.split()[1]) for line in shown if line.startswith("and "))
    rows = sum(1 for group in groups if any(group["group"][-10:] in line for line in shown))
    assert told + rows >= (len(groups) + more if groups else 0)


SINCE = "2026-01-01T00:00:00.000Z"
NO_KAFKA = "no Kafka broker answers at kafka:9092"


def failure(scope: str, name: str, reason: str, since: str = SINCE) -> dict[str, str]:
    return {"scope": scope, "name": name, "reason": reason, "since": since}


def test_a_broker_that_does_not_answer_is_one_line_however_many_groups_fail():
    found = replace(
        figures([], 0),
        status={
            "version": "1",
            "parts": {
                "tail": {"state": "failing", "reason": NO_KAFKA},
                "lag": {"state": "failing", "reason": f"{NO_KAFKA}: timed out"},
                "spans": {"state": "failing", "reason": "the disk is full"},
                "rabbitmq": {"state": "starting", "reason": "hasn't reached RabbitMQ yet"},
                "sweep": {"state": "running", "reason": None},
            },
        },
        failures=[
            failure("cluster", "metadata", f"{NO_KAFKA}: timed out"),
            *(failure("group", f"group-{n}", "coordinator not available") for n in range(12)),
            failure("group", "secret", "not authorized", "2025-12-31T00:00:00.000Z"),
            failure("group", "rabbitmq:audit", "its queue is gone"),
        ],
        unread={"Kafka": {"groups": 12, "since": SINCE}},
    )
    assert found.problems == [
        f"{NO_KAFKA}; 12 groups can't be read because of it, since 2026-01-01 00:00:00.000 UTC",
        "spans is failing: the disk is full",
        "group secret: not authorized",
        "group rabbitmq:audit: its queue is gone",
        "rabbitmq is starting: hasn't reached RabbitMQ yet",
    ]
    assert sum(NO_KAFKA in line.plain for line in screen(found, "", None, None)) == 1
