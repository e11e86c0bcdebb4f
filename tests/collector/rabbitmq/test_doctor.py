"""`flowtrail doctor --rabbitmq`: what a collector needs, one line each that says what to do; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import pytest

from collector.rabbitmq.test_trouble import allow, url_of
from flowtrail_collector.cli._app import run
from rabbitkit import Corner, Following
from servers import RabbitServer
from waiting import until

pytestmark = pytest.mark.servers

Findings = dict[str, tuple[bool, str]]
Doctor = Callable[..., Findings]


@pytest.fixture
def doctor(corner: Corner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Asks it about the corner; what it finds of RabbitMQ, by name."""

    def ask(url: str = "", **settings: str) -> Findings:
        monkeypatch.setenv("FLOWTRAIL_RABBITMQ", url or corner.place.url)
        monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", "http://127.0.0.1:9")
        given = {"management": corner.place.management, "exchanges": corner.exchanges, "queue": corner.stream}
        options = [f"--rabbitmq-{name}={value}" for name, value in {**given, **settings}.items()]
        assert run(["doctor", "--json", *options]) == 1, "no collector answers"
        found = json.loads(capsys.readouterr().out)
        assert all("\n" not in each["detail"] for each in found)
        return {
            each["check"]: (each["ok"], each["detail"])
            for each in found
            if each["check"].startswith(("rabbitmq", "exchange "))
        }

    return ask


def wrong(found: Findings) -> dict[str, str]:
    return {name: detail for name, (ok, detail) in found.items() if not ok}


def everything(corner: Corner) -> list[Any]:
    """What stands on the server, but for counts."""
    paths = ("queues/%2F?columns=name,arguments", "exchanges/%2F?columns=name", "bindings/%2F")
    return [sorted(corner.manage("GET", path), key=str) for path in paths]


def test_what_is_well_is_said_and_nothing_is_changed(
    corner: Corner, following: Following, doctor: Doctor
) -> None:
    corner.taken_exchange("orders")
    corner.taken_exchange("payments", "fanout")
    before = doctor()
    assert wrong(before).keys() == set()
    assert (
        before["rabbitmq stream"][1]
        == f"no queue {corner.stream} yet: a collector declares it when it starts"
    )
    with following:
        until(lambda: following.problem() == "", following.problem)
    seen = everything(corner)
    found = doctor()
    assert wrong(found) == {}
    assert everything(corner) == seen
    assert list(found) == [f"rabbitmq{part}" for part in (
        "", " management", " alarms", " stream", " permissions", " exchanges",
    )]  # fmt: skip
    assert found["rabbitmq exchanges"][1] == "2 of 2 exchanges followed"
    assert (
        "RabbitMQ 3." in found["rabbitmq management"][1] or "RabbitMQ 4." in found["rabbitmq management"][1]
    )
    assert "guest:guest" not in str(found)


@pytest.mark.parametrize(
    ("name", "password", "vhost", "settings", "check", "said"),
    [
        ("stranger", "x", "/", {}, "rabbitmq", "rabbitmqctl add_user"),
        ("guest", "guest", "nowhere", {}, "rabbitmq", "rabbitmqctl add_vhost"),
        (
            "guest",
            "guest",
            "/",
            {"management": "http://127.0.0.1:9"},
            "rabbitmq management",
            "rabbitmq-plugins enable",
        ),
        ("guest", "guest", "/", {"exchanges": "no-such"}, "rabbitmq exchanges", "--rabbitmq-exchanges"),
    ],
    ids=["password", "vhost", "management", "pattern"],
)
def test_what_is_wrong_with_the_address(
    corner: Corner, following: Following, doctor: Doctor, name: str, password: str, vhost: str,
    settings: dict[str, str], check: str, said: str,
) -> None:  # fmt: skip
    with following:
        until(lambda: following.problem() == "", following.problem)
    found = wrong(doctor(url_of(corner, name, password, vhost), **settings))
    assert said in found[check]


def test_a_server_that_is_not_there(corner: Corner, doctor: Doctor) -> None:
    found = wrong(doctor("amqp://127.0.0.1:9/%2F"))
    assert found["rabbitmq"].startswith("no RabbitMQ broker answers at 127.0.0.1:9/%2F")


@pytest.mark.parametrize("lacks", ["configure", "write", "write to the default exchange", "read"])
def test_a_permission_that_lacks(
    corner: Corner, following: Following, doctor: Doctor, user: str, lacks: str
) -> None:
    with following:
        until(lambda: following.problem() == "", following.problem)
    stream = corner.stream.replace(".", "\\.")
    allowed = {"configure": stream, "write": f"{stream}|amq.default", "read": stream}
    allow(corner, user, **allowed)
    assert "rabbitmq permissions" not in wrong(doctor(url_of(corner, user, user)))
    kind, _, default = lacks.partition(" ")
    allow(corner, user, **{**allowed, kind: stream if default else "nothing"})
    problem = wrong(doctor(url_of(corner, user, user)))["rabbitmq permissions"]
    assert "rabbitmqctl set_permissions" in problem
    corner.manage("DELETE", f"users/{user}")


def test_exchanges_that_are_not_followed(corner: Corner, following: Following, doctor: Doctor) -> None:
    orders = corner.taken_exchange("orders")
    with following:
        until(lambda: following.problem() == "", following.problem)
    later, shared = corner.taken_exchange("later"), corner.exchange("shared", "x-consistent-hash")
    unheard = corner.exchange("unheard")
    found = doctor()
    told = f"2 of 4 exchanges followed; no queue is bound to {shared}, {unheard}: nothing of what is published there is followed"
    assert found["rabbitmq exchanges"] == (True, told)
    problems = wrong(found)
    assert problems.keys() == {f"exchange {later}", f"exchange {shared}"}
    assert "start the collector" in problems[f"exchange {later}"]
    assert "x-consistent-hash" in problems[f"exchange {shared}"]
    with corner.channel() as channel:
        channel.exchange_bind(shared, orders, "#")
    assert wrong(doctor()).keys() == {f"exchange {later}"}


def test_a_collector_that_follows_all_that_is_published(
    corner: Corner, tmp_path: Path, doctor: Doctor
) -> None:
    orders = corner.exchange("orders")
    with Following(corner, tmp_path, copy="published") as following:
        until(lambda: following.problem() == "", following.problem)
    corner.queue("orders.mine", orders, "OrderPlaced")
    (problem,) = wrong(doctor()).values()
    assert "--rabbitmq-copy published" in problem
    assert wrong(doctor(copy="published")) == {}


def test_a_queue_of_somebody_else_in_the_streams_place(corner: Corner, doctor: Doctor) -> None:
    queue = corner.queue("mine")
    assert "--rabbitmq-queue" in wrong(doctor(queue=queue))["rabbitmq stream"]


def test_an_alarm(rabbitmq_server: RabbitServer, corner: Corner, doctor: Doctor) -> None:
    if pika.URLParameters(corner.place.url).port != rabbitmq_server.port:
        pytest.skip("a server that the tests don't control")
    rabbitmq_server.control("set_vm_memory_high_watermark", "0.00001")
    try:
        until(lambda: rabbitmq_server.has_alarm, "the alarm")
        until(lambda: not doctor()["rabbitmq alarms"][0], "the finding")
        assert "low on memory" in wrong(doctor())["rabbitmq alarms"]
    finally:
        rabbitmq_server.control("set_vm_memory_high_watermark", "0.4")
        until(lambda: not rabbitmq_server.has_alarm, "its end")
