"""A server that is short of memory, or knows no streams: one line that says what to do, and it goes on by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowtrail_collector.brokers.rabbitmq.checkup import examine
from rabbitkit import Corner, Following, Place
from servers import RabbitServer, UnavailableError, servers_required
from waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.slow(15)]


def corner_of(server: RabbitServer) -> Corner:
    return Corner(Place(server.url, f"http://127.0.0.1:{server.management_port}"))


def test_a_memory_alarm_is_told_and_what_was_published_before_is_read(
    rabbitmq_server: RabbitServer, tmp_path: Path
) -> None:
    corner = corner_of(rabbitmq_server)
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders)
    with Following(corner, tmp_path) as following:
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 3)
        rabbitmq_server.control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            until(lambda: "takes no messages" in following.problem(), following.problem, 60)
            assert "free memory or disk on the server" in following.problem()
            assert "\n" not in following.problem()
            assert following.config.rabbitmq is not None
            found = {each.name: each for each in examine(following.config.rabbitmq)}
            assert "is low on memory" in found["rabbitmq alarms"].detail
            assert found["rabbitmq permissions"].ok
            until(lambda: len(following.events()) == 3, "the events")
            until(lambda: 'flowtrail_rabbitmq_alarms{kind="memory"} 1.0' in following.metrics(), "the metric")
            until(lambda: following.api(f"lag?group=rabbitmq:{queue}")["groups"][0]["lag"] == 3, "the lag")
        finally:
            rabbitmq_server.control("set_vm_memory_high_watermark", "0.4")
        until(lambda: following.problem() == "", following.problem, 60)
        corner.publish(orders, 2, first=3)
        until(lambda: len(following.events()) == 5, "what came after it")
    corner.clear()


def test_a_server_that_was_started_anew_is_told_once_and_followed_again(
    rabbitmq_server: RabbitServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corner = corner_of(rabbitmq_server)
    orders = corner.taken_exchange("orders")

    def told() -> list[str]:
        return [line for line in caplog.messages if f"{corner.stream} may lack what its queues got" in line]

    with Following(corner, tmp_path) as following:
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 3)
        until(lambda: len(following.events()) == 3, "the events")
        assert told() == []
        rabbitmq_server.stop()
        until(lambda: following.problem() != "", "the outage")
        rabbitmq_server.start()
        until(lambda: following.problem() == "", following.problem, 60)
        until(told, lambda: caplog.text)
        # The tail reads the stream, so it is there.
        corner.publish(orders, 3, first=3)
        until(lambda: len(following.events()) == 6, following.events)
    with Following(corner, tmp_path) as following:
        until(lambda: following.problem() == "", following.problem)
    (line,) = told()
    assert line.startswith("RabbitMQ was started at ")
    corner.clear()


def test_a_frozen_server_is_one_line_on_call_and_its_queues_say_how_old_their_figures_are(
    rabbitmq_server: RabbitServer, tmp_path: Path
) -> None:
    corner = corner_of(rabbitmq_server)
    orders = corner.exchange("orders")
    queues = {
        f"rabbitmq:{corner.queue(f'orders.{name}', orders)}" for name in ("billing", "shipping", "audit")
    }

    def told(over: bool = False) -> list[dict[str, Any]]:
        changes = following.api("oncall")["changes"]
        return [each for each in changes if (each["ended"] is not None) is over]

    def rows() -> dict[str, dict[str, Any]]:
        return {each["group"]: each for each in (following.api("lag") or {"groups": []})["groups"]}

    def is_one_line() -> bool:
        return [each["name"] for each in told()] == [["RabbitMQ"]] and "3 groups can't be read" in told()[0][
            "text"
        ]

    with Following(corner, tmp_path) as following:
        until(lambda: rows().keys() == queues and {row["lag"] for row in rows().values()} == {0}, rows)
        assert {row["verdict"] for row in rows().values()} == {"ok, no consumers"}
        until(lambda: told() == [], told)  # the API may have failed once while queues were made
        with rabbitmq_server.paused():
            until(is_one_line, told, 60)
            until(lambda: all("ago" in (row["verdict"] or "") for row in rows().values()), rows, 60)
        until(lambda: told() == [], told, 60)
        assert ["RabbitMQ"] in [each["name"] for each in told(over=True)]
        until(lambda: {row["verdict"] for row in rows().values()} == {"ok, no consumers"}, rows)
    corner.clear()


def test_streams_need_no_plug_in_and_their_feature_flag_is_asked_for(tmp_path: Path) -> None:
    try:
        server = RabbitServer(tmp_path / "server", plugins=["rabbitmq_management"], features=["quorum_queue"])
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    server.start()
    try:
        corner = corner_of(server)
        orders = corner.taken_exchange("orders")
        with Following(corner, tmp_path) as following:
            until(lambda: "enable_feature_flag stream_queue" in following.problem(), following.problem)
            assert "\n" not in following.problem()
            until(lambda: following.api("lag") is not None, "queues are seen all the same")
            server.control("enable_feature_flag", "stream_queue")
            until(lambda: following.problem() == "", following.problem)
            corner.publish(orders, 2)
            until(lambda: len(following.events()) == 2, "the events")
    finally:
        server.close()
