"""The list of queues is told in time, however long the server takes for it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flowtrail_collector.brokers.rabbitmq.lag import listing
from flowtrail_collector.brokers.rabbitmq.lag.listing import Listing
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig
from waiting import scaled, until


class Server:
    """A management API whose clock goes on while it works out a list."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.lists = 0
        self.depths = {"a": 1, "b": 0}
        self.failing = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def queues(self) -> list[dict[str, Any]]:
        found = [{"name": name, "messages_ready": depth} for name, depth in self.depths.items()]
        assert self.may_answer.wait(scaled(30))
        if self.failing:
            raise ServiceUnreachableError("it is busy")
        self.now += self.seconds
        self.lists += 1
        return found

    def totals(self) -> dict[str, tuple[int, int] | None]:
        return {name: (depth, 0) for name, depth in self.depths.items()}

    def close(self) -> None: ...


def listing_of(server: Server, monkeypatch: pytest.MonkeyPatch) -> Listing:
    monkeypatch.setattr(listing, "Management", lambda config: server)
    return Listing(RabbitConfig("amqp://ann@127.0.0.1/"), server, lambda: server.now)  # type: ignore[arg-type]


def names(found: Any) -> list[str]:
    return [each["name"] for each in found]


def test_a_quick_server_tells_all_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(0.1)
    listed = listing_of(server, monkeypatch)
    for number in range(1, 4):
        server.depths["a"] = number
        found, is_new, totals = listed.look()
        assert (found[0]["messages_ready"], is_new, totals, server.lists) == (number, True, None, number)


def test_a_slow_one_tells_totals_at_each_look_and_the_list_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(2.0)
    listed = listing_of(server, monkeypatch)
    assert listed.look().is_new
    server.depths = {"a": 7, "c": 3}
    found, is_new, totals = listed.look()
    # What is gone isn't told; what is new is, once the list tells what it is.
    assert (names(found), is_new) == (["a"], False)
    assert totals == {"a": (7, 0), "c": (3, 0)}
    assert server.lists == 1, "the server would have repeated its answer"
    server.now += 10
    server.may_answer.clear()
    assert not listed.look().is_new, "it isn't waited for"
    server.may_answer.set()
    until(lambda: listed.look().is_new, "the list")
    assert names(listed.look().found) == ["a", "c"]
    assert server.lists == 2


def test_one_that_becomes_quick_is_asked_at_each_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(2.0)
    listed = listing_of(server, monkeypatch)
    listed.look()
    server.seconds = 0.1
    server.now += 10
    until(lambda: listed.look().totals is None, "a quick list")
    before = server.lists
    assert listed.look().is_new
    assert server.lists == before + 1


def test_a_list_that_fails_beside_is_told_and_waited_for_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(2.0)
    listed = listing_of(server, monkeypatch)
    listed.look()
    server.now += 10
    server.failing = True

    def failed() -> bool:
        try:
            listed.look()
        except ServiceUnreachableError:
            return True
        return False

    until(failed, "the failure")
    assert failed()
    server.failing = False
    assert listed.look().is_new
