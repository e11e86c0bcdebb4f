"""A collector that follows an exchange changes nothing for who publishes there, and nothing of what becomes of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pika
import pytest

from collector.rabbitmq.test_trouble import allow, url_of
from flowtrail import PublishError, Trail
from flowtrail_collector.brokers.rabbitmq.bindings import _Channel
from flowtrail_collector.brokers.rabbitmq.plan import Binding
from rabbitkit import Corner, Following, send
from waiting import until

pytestmark = pytest.mark.servers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binding that goes is waited for a second, not five."""
    monkeypatch.setattr("flowtrail_collector.brokers.rabbitmq.bindings._KEEP_SECONDS", 1.0)


def is_returned(corner: Corner, exchange: str, kind: str = "OrderPlaced", number: int = 0) -> bool:
    """Whether what is published as mandatory comes back."""
    with corner.channel() as channel:
        try:
            send(channel, exchange, number, kind, mandatory=True)
        except pika.exceptions.UnroutableError:
            return True
    return False


def bind(corner: Corner, queue: str, exchange: str, kind: str, *, off: bool = False) -> None:
    """Bind a queue so that it gets `OrderPlaced`, as this type of exchange has it, or take that back."""
    arguments = {"x-match": "all", "cloudEvents_type": "OrderPlaced"} if kind == "headers" else {}
    with corner.channel() as channel:
        (channel.queue_unbind if off else channel.queue_bind)(queue, exchange, "OrderPlaced", arguments)


@pytest.mark.parametrize("kind", ["topic", "fanout", "headers", "direct"])
def test_what_no_queue_takes_comes_back(corner: Corner, following: Following, kind: str) -> None:
    orders, queue = corner.exchange("orders", kind), corner.queue("orders.billing")
    with following:
        until(lambda: following.problem() == "", following.problem)
        assert is_returned(corner, orders)
        bind(corner, queue, orders, kind)
        until(lambda: corner.followed() == {orders}, "the binding")
        assert not is_returned(corner, orders, number=1)
        if kind != "fanout":
            assert is_returned(corner, orders, "OrderCancelled")
        until(following.events, "the event that a queue took")
        assert set(following.events()) == {(f"rabbitmq:{orders}", "OrderPlaced-1")}
        bind(corner, queue, orders, kind, off=True)
        until(lambda: corner.followed() == set(), "the end of the binding")
        assert is_returned(corner, orders)


@pytest.mark.parametrize("client", ["pika", "aio-pika"])
def test_a_publication_that_no_queue_takes_fails_while_a_collector_follows(
    corner: Corner, following: Following, client: str
) -> None:
    orders = corner.exchange("orders")
    corner.queue("orders.billing", orders, "OrderPlaced")
    trail = Trail("shop", corner.place.url, client=client)
    with following, closing(trail):
        until(lambda: corner.followed() == {orders}, "the binding")
        trail.publish(orders, {}, type="OrderPlaced", subject="ORD-1")
        with pytest.raises(PublishError, match="no queue takes"):
            trail.publish(orders, {}, type="OrderShelved", subject="ORD-1")
        corner.manage("DELETE", f"queues/%2F/{corner.called('orders.billing')}")
        until(lambda: corner.followed() == set(), "the end of the binding")
        with pytest.raises(PublishError, match="no queue takes"):
            trail.publish(orders, {}, type="OrderPlaced", subject="ORD-1")


def test_an_alternate_exchange_gets_what_it_would_get_without_a_collector(
    corner: Corner, following: Following
) -> None:
    unheard = corner.exchange("unheard", "fanout")
    kept = corner.queue("unheard.kept", unheard)
    with corner.channel() as channel:
        orders = corner.called("orders")
        channel.exchange_declare(orders, "topic", durable=True, arguments={"alternate-exchange": unheard})
    taken = corner.queue("orders.billing", orders, "OrderPlaced")
    with following:
        until(lambda: corner.followed() == {orders, unheard}, "the bindings")
        corner.publish(orders, 2)
        corner.publish(orders, 3, kind="OrderShelved")
        until(lambda: len(following.events()) == 5, following.events)
        assert (corner.depth(taken), corner.depth(kept)) == (2, 3)
        assert {topic for topic, _ in following.events()} == {f"rabbitmq:{orders}"}


def test_an_exchange_goes_with_its_last_queue_where_it_was_declared_to(
    corner: Corner, following: Following
) -> None:
    with corner.channel() as channel:
        channel.exchange_declare(corner.called("passing"), "topic", auto_delete=True)
    queue = corner.queue("passing.mine", corner.called("passing"))
    with following:
        until(lambda: corner.followed() == {corner.called("passing")}, "the binding")
        corner.manage("DELETE", f"queues/%2F/{queue}")  # not waited for as other bindings are

        def names() -> set[str]:
            return {each["name"] for each in corner.manage("GET", "exchanges/%2F?columns=name")}

        until(lambda: corner.called("passing") not in names(), names)


def test_two_collectors_dont_hold_each_others_bindings(corner: Corner, tmp_path: Path) -> None:
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders, "OrderPlaced")
    (tmp_path / "other").mkdir()
    first = Following(corner, tmp_path)
    stream, corner.stream = corner.stream, corner.called("other-stream")
    second = Following(corner, tmp_path / "other")
    with first, second:
        until(lambda: corner.followed() == {orders}, "the second's binding")
        corner.stream = stream
        until(lambda: corner.followed() == {orders}, "the first's")
        corner.manage("DELETE", f"queues/%2F/{queue}")
        until(lambda: corner.followed() == set(), "the end of the binding")
        until(lambda: is_returned(corner, orders), "the end of the other's")


def test_all_that_is_published_is_followed_where_that_is_asked_for(corner: Corner, tmp_path: Path) -> None:
    orders = corner.exchange("orders")
    with Following(corner, tmp_path, copy="published") as following:
        until(lambda: corner.followed() == {orders}, "the binding")
        assert not is_returned(corner, orders)
        until(lambda: len(following.events()) == 1, "the event")


def test_bindings_change_and_no_event_that_a_queue_took_is_missed(corner: Corner, tmp_path: Path) -> None:
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders, "OrderPlaced")
    published = 0

    def publish() -> None:
        nonlocal published
        corner.publish(orders, 20, first=published)
        published += 20

    for copy in ("published", "routed", "published"):
        with Following(corner, tmp_path, copy=copy) as following:
            until(lambda: following.problem() == "", following.problem)
            wanted = "#" if copy == "published" else "OrderPlaced"
            found = f"bindings/%2F/e/{orders}/q/{corner.stream}"

            def is_bound(wanted: str = wanted, found: str = found) -> bool:
                publish()
                return [each["routing_key"] for each in corner.manage("GET", found)] == [wanted]

            until(is_bound, "the binding")
            until(lambda: len(following.events()) == published, "every event")
            assert set(following.events().values()) == {1}
    assert corner.depth(queue) == published


def test_what_an_exchange_that_may_not_be_read_gets_from_another_is_followed_there(
    corner: Corner, tmp_path: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, secret = corner.exchange("orders"), corner.exchange("secret")
    corner.queue("secret.mine", secret, "OrderPlaced")
    with corner.channel() as channel:
        channel.exchange_bind(secret, orders, "OrderPlaced")
    allow(corner, user, corner.stream, f"{corner.stream}|amq.default", f"{corner.stream}|{orders}")
    attempts: list[str] = []
    bind = _Channel.bind

    def noted(self: _Channel, binding: Binding) -> None:
        attempts.append(binding.exchange)
        bind(self, binding)

    monkeypatch.setattr(_Channel, "bind", noted)
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: corner.followed() == {orders}, "the binding")
        corner.publish(orders, 1)
        until(lambda: len(following.events()) == 1, "the event")
    assert attempts.count(secret) == 1, "each attempt leaves an error in the server's log"

    corner.manage("DELETE", f"users/{user}")


def test_an_exchange_in_between_lets_through_no_more_than_its_queues_take(
    corner: Corner, tmp_path: Path
) -> None:
    orders, billing = corner.exchange("orders"), corner.exchange("billing")
    corner.queue("billing.mine", billing, "OrderPlaced")
    with corner.channel() as channel:
        channel.exchange_bind(billing, orders, "#")
    corner.exchanges = orders
    with Following(corner, tmp_path) as following:
        until(lambda: corner.followed() == {billing}, "the binding")
        assert is_returned(corner, orders, "OrderShelved")
        assert not is_returned(corner, billing, number=1)
        assert not is_returned(corner, orders, number=2)
        until(following.events, "the event")
        assert set(following.events()) == {(f"rabbitmq:{orders}", "OrderPlaced-2")}


def test_two_collectors_that_follow_otherwise_leave_each_others_bindings_and_say_so(
    corner: Corner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orders, payments = corner.taken_exchange("orders"), corner.taken_exchange("payments")
    (tmp_path / "other").mkdir()
    corner.exchanges = orders
    first = Following(corner, tmp_path)
    corner.exchanges = payments
    second = Following(corner, tmp_path / "other")
    with first, second:
        until(lambda: caplog.text.count("another collector binds") >= 2, lambda: caplog.text)
        until(lambda: corner.followed() == {orders, payments}, "both bindings")
        assert "give one of them another --rabbitmq-queue" in caplog.text
        corner.publish(orders, 5)
        corner.publish(payments, 3, first=10)
        until(lambda: len(first.events()) == 5, first.events)
        until(lambda: len(second.events()) == 3, second.events)
        assert {topic for topic, _ in first.events()} == {f"rabbitmq:{orders}"}


def test_bindings_that_come_and_go_are_nobody_elses(
    corner: Corner, following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    orders, queue = corner.exchange("orders"), corner.queue("orders.mine")
    with following:
        for _ in range(4):
            bind(corner, queue, orders, "topic")
            until(lambda: corner.followed() == {orders}, "the binding")
            bind(corner, queue, orders, "topic", off=True)
            until(lambda: corner.followed() == set(), "its end")
    assert "another collector" not in caplog.text


def test_a_routing_key_that_may_not_be_read_keeps_no_other_from_being_followed(
    corner: Corner, tmp_path: Path, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    orders = corner.exchange("orders")
    for key in ("OrderPlaced", "Secret"):
        corner.queue(f"orders.{key}", orders, key)
    allow(corner, user, ".*", ".*", ".*")
    allowed = {"exchange": orders, "write": ".*", "read": "^OrderPlaced$"}
    corner.manage("PUT", f"topic-permissions/%2F/{user}", allowed)
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: corner.followed() == {orders}, "the binding")
        corner.publish(orders, 1)
        until(lambda: len(following.events()) == 1, "the event")
        until(lambda: f"exchange {orders} isn't followed whole" in caplog.text, lambda: caplog.text)
        assert "rabbitmqctl set_topic_permissions" in caplog.text
    corner.manage("DELETE", f"users/{user}")


def test_an_exchange_that_may_no_longer_be_read_is_told_and_the_rest_is_ready(
    corner: Corner, tmp_path: Path, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    orders, secret = corner.taken_exchange("orders"), corner.exchange("secret")
    queue = corner.queue("secret.mine", secret, "OrderPlaced")
    allow(corner, user, ".*", ".*", ".*")
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: corner.followed() == {orders, secret}, "the bindings")
        allow(corner, user, ".*", ".*", f"{corner.stream}|{orders}")
        bind(corner, queue, secret, "topic", off=True)
        until(lambda: f"exchange {secret} stays bound" in caplog.text, lambda: caplog.text)
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 1)
        until(lambda: len(following.events()) == 1, "the event")
    corner.manage("DELETE", f"users/{user}")


def test_marks_that_may_not_be_set_are_a_problem_until_they_may(
    corner: Corner, tmp_path: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtrail_collector.brokers.rabbitmq.marks._REFUSED_SECONDS", 2.0)
    corner.taken_exchange("orders")
    allow(corner, user, ".*", corner.stream, ".*")
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: "write on amq.default" in following.problem(), following.problem)
        assert "\n" not in following.problem()
        allow(corner, user, ".*", ".*", ".*")
        until(lambda: following.problem() == "", following.problem)
        until(lambda: following.watermark_ms() > 0, "a mark")
    corner.manage("DELETE", f"users/{user}")


def test_more_bindings_than_fit_into_one_round_are_made_while_events_are_read(
    corner: Corner, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtrail_collector.brokers.rabbitmq.bindings._ROUND_SECONDS", 0.02)
    orders, queue = corner.exchange("orders"), corner.queue("orders.all")
    with corner.channel() as channel:
        for number in range(60):
            channel.queue_bind(queue, orders, f"user.{number}")

    def keys() -> int:
        return len(corner.manage("GET", f"bindings/%2F/e/{orders}/q/{corner.stream}"))

    with following:
        until(lambda: keys() == 60, keys)
        corner.manage("DELETE", f"queues/%2F/{queue}")
        until(lambda: keys() == 0, keys)
