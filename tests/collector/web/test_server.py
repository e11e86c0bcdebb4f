"""Taking an address, serving, stopping."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from flowtrail_collector.conditions import PartState, Remark, Starting, unready
from flowtrail_collector.errors import ConfigurationError, ListenError
from flowtrail_collector.runtime import supervisor as supervisor_module
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.settings import (
    CollectorConfig,
    KafkaConfig,
    LagSettings,
    SpanConfig,
    WebConfig,
    parse_listen,
)
from flowtrail_collector.units import parse_duration
from flowtrail_collector.web.server import listen, url_of
from waiting import Deadline, scaled, wait_for


def test_a_port_in_use_is_a_clear_error():
    with contextlib.closing(listen("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}.*in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", "no such host.invalid", "192.0.2.1"])
def test_an_address_that_isnt_ours_is_a_clear_error(host):
    with pytest.raises(ListenError, match="can't listen"):
        listen(host, 0)


def test_the_url_names_loopback_for_a_wildcard():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("0.0.0.0", 0))
        assert url_of(listener).startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8090", ("127.0.0.1", 8090)),
        (":0", ("127.0.0.1", 0)),
        ("9000", ("127.0.0.1", 9000)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_listen_addresses(text, address):
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000", "host:-1"])
def test_senseless_listen_addresses(text):
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_listen(text)


def test_durations():
    assert [parse_duration(text) for text in ("90s", "5m", "2h", "1d", "1h30m", "250ms", "0.5s")] == [
        90, 300, 7200, 86400, 5400, 0.25, 0.5,
    ]  # fmt: skip
    for text in ("", "2", "h", "2 weeks", "-1s", "1s2"):
        with pytest.raises(ConfigurationError, match="time span"):
            parse_duration(text)


GOOD = KafkaConfig("localhost:9092")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (CollectorConfig(KafkaConfig("")), "--bootstrap-servers"),
        (CollectorConfig(KafkaConfig("localhost")), "host:port"),
        (CollectorConfig(KafkaConfig("a:1,b:x")), "b:x"),
        (CollectorConfig(KafkaConfig("a:1", topics="(")), "--topics is not a regular expression"),
        (CollectorConfig(KafkaConfig("a:1", dead_letter_topics="[")), "--dead-letter-topics"),
        (CollectorConfig(KafkaConfig("a:1", start="yesterday")), "--start"),
        (CollectorConfig(GOOD, web=WebConfig("0.0.0.0:1")), "token"),
        (CollectorConfig(GOOD, web=WebConfig("example.com:1")), "token"),
        (CollectorConfig(GOOD, web=WebConfig(token="short")), "too short"),
        (CollectorConfig(GOOD, spans=SpanConfig(max_spans=0)), "max_spans"),
        (CollectorConfig(GOOD, lag=LagSettings(interval_seconds=0)), "lag_interval_seconds"),
        (CollectorConfig(GOOD, lag=LagSettings(compat=("burrow",))), "kafka_exporter"),
    ],
)
def test_wrong_settings_are_named(config, words):
    with pytest.raises(ConfigurationError, match=r".+") as caught:
        config.validate()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_settings_pass():
    CollectorConfig(KafkaConfig("a:1,b:2", start="2h"), web=WebConfig("0.0.0.0:1", insecure=True)).validate()
    CollectorConfig(GOOD, web=WebConfig("0.0.0.0:1", token="x" * 16)).validate()


class Part:
    def __init__(self, name, failures=0):
        self.name = name
        self.problem = None
        self.failures = failures
        self.runs = 0
        self.works = threading.Event()

    def run(self, stop):
        self.runs += 1
        if self.runs <= self.failures:
            raise RuntimeError("no luck")
        self.works.set()
        stop.wait(30)


def test_a_failing_part_is_counted_and_tried_again_and_harms_no_other():
    good, bad = Part("good"), Part("bad", failures=1)
    errors = []
    supervisor = Supervisor([bad, good], on_error=lambda part, error: errors.append((part, str(error))))
    supervisor.start()
    assert good.works.wait(scaled(5))
    deadline = Deadline(5)
    while not errors and not deadline.passed:
        time.sleep(0.01)
    assert unready(supervisor.conditions()) == {"bad": (PartState.FAILING, "RuntimeError: no luck")}
    assert bad.works.wait(scaled(5))
    good.problem = "waiting"
    assert supervisor.conditions() == {
        "good": (PartState.FAILING, "waiting"),
        "bad": (PartState.RUNNING, None),
    }
    assert supervisor.stop(scaled(5)) == []
    assert errors == [("bad", "no luck")]
    assert good.runs == 1


@pytest.mark.parametrize(("seconds", "state"), [(0, "starting"), (59, "starting"), (60, "failing")])
def test_a_part_says_that_it_is_about_to_begin_and_one_that_never_does_fails(seconds, state):
    part, now = Part("tail"), [5.0]
    part.problem = Starting("hasn't reached Kafka yet")
    supervisor = Supervisor([part], on_error=lambda name, error: None, clock=lambda: now[0])
    supervisor.start()
    now[0] += seconds
    assert supervisor.conditions() == {"tail": (state, "hasn't reached Kafka yet")}
    part.problem = None
    assert supervisor.conditions() == {"tail": ("running", None)}
    assert supervisor.stop(scaled(5)) == []


@pytest.mark.parametrize("said", [Starting("hasn't begun yet"), Remark("has nothing to do")], ids=str)
def test_a_part_that_fails_before_it_works_fails_at_once(said):
    bad = Part("bad", failures=1)
    bad.problem = said
    supervisor = Supervisor([bad], on_error=lambda name, error: None)
    supervisor.start()
    assert wait_for(lambda: supervisor.conditions()["bad"] == ("failing", "RuntimeError: no luck"), 5)
    supervisor.stop(scaled(5))


def test_a_part_that_doesnt_stop_is_named():
    class Stubborn(Part):
        def run(self, stop):
            self.works.wait(scaled(10))

    part = Stubborn("stubborn")
    supervisor = Supervisor([part], on_error=lambda part, error: None)
    supervisor.start()
    assert supervisor.stop(0.05) == ["flowtrail-stubborn"]
    part.works.set()


@pytest.mark.parametrize(("works_seconds", "pauses"), [(0.0, [0.05, 0.1, 0.2, 0.2]), (60.0, [0.05] * 4)])
def test_only_what_fails_again_at_once_waits_longer_each_time(monkeypatch, works_seconds, pauses):
    """What fails once a day isn't given less and less care."""
    now, failed, seen = [0.0], threading.Semaphore(0), []
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor_module, "_LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(supervisor_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(supervisor_module.logger, "exception", lambda text, part, pause: seen.append(pause))

    class Failing(Part):
        def run(self, stop):
            now[0] += works_seconds
            raise RuntimeError("no luck")

    supervisor = Supervisor([Failing("failing")], on_error=lambda part, error: failed.release())
    supervisor.start()
    for _ in pauses:
        assert failed.acquire(timeout=scaled(10))
    assert supervisor.stop(scaled(5)) == []
    assert seen[: len(pauses)] == pauses
