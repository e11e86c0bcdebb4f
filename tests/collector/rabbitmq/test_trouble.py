"""What can be wrong on a server is told in one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import pytest

from flowtrail_collector.cli._app import run
from rabbitkit import Corner, Following
from waiting import until

pytestmark = pytest.mark.servers


def url_of(corner: Corner, user: str, password: str, vhost: str = "/") -> str:
    known = pika.URLParameters(corner.place.url)
    return f"amqp://{user}:{password}@{known.host}:{known.port}/{quote(vhost, safe='')}"


def allow(corner: Corner, user: str, configure: str, write: str, read: str) -> None:
    allowed = {"configure": configure, "write": write, "read": read}
    corner.manage("PUT", f"permissions/%2F/{user}", allowed)


@pytest.mark.parametrize(
    ("user_name", "vhost", "management", "said"),
    [
        ("stranger", "/", "", "FLOWTRAIL_RABBITMQ_PASSWORD"),
        ("guest", "nowhere", "", "rabbitmqctl add_vhost"),
        ("guest", "/", "http://127.0.0.1:9", "rabbitmq-plugins enable rabbitmq_management"),
    ],
    ids=["password", "vhost", "management"],
)
def test_what_keeps_it_from_beginning(
    corner: Corner, tmp_path: Path, user_name: str, vhost: str, management: str, said: str
) -> None:
    url = url_of(corner, user_name, "guest", vhost)
    with Following(corner, tmp_path, url=url, management=management) as following:
        until(lambda: said in following.problem(), following.problem)
        assert "\n" not in following.problem()
        assert "guest@" not in following.problem()


def test_permissions_that_lack_are_named_and_the_rest_is_followed(
    corner: Corner, tmp_path: Path, user: str
) -> None:
    orders, secret = corner.taken_exchange("orders"), corner.taken_exchange("secret")
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: "rabbitmqctl" in following.problem(), following.problem)
        allow(corner, user, corner.stream, f"{corner.stream}|amq.default", f"{corner.stream}|{orders}")
        until(lambda: following.problem() == "", following.problem)
        corner.publish(secret, 1)
        corner.publish(orders, 1)
        until(lambda: len(following.events()) >= 1, "the event")
        assert set(following.events()) == {(f"rabbitmq:{orders}", "OrderPlaced-0")}
        lag = until(lambda: following.api("lag"), "the first look at the queues")
        assert [each for each in lag["failures"] if "secret" in each["name"]] == []
    corner.manage("DELETE", f"users/{user}")


def test_no_say_in_management_is_named(corner: Corner, tmp_path: Path, user: str) -> None:
    orders = corner.taken_exchange("orders")
    allow(corner, user, ".*", ".*", ".*")
    corner.manage("PUT", f"users/{user}", {"password": user, "tags": ""})
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: f"set_user_tags {user} monitoring" in following.problem(), following.problem)
        assert "\n" not in following.problem()
        corner.manage("PUT", f"users/{user}", {"password": user, "tags": "monitoring"})
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 1)
        until(lambda: len(following.events()) == 1, "the event")
    corner.manage("DELETE", f"users/{user}")


def test_a_queue_that_may_not_be_read_is_named_and_everything_else_goes_on(
    corner: Corner, tmp_path: Path, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    orders = corner.exchange("orders")
    secret, open_to_all = corner.queue("secret.dlq", orders), corner.queue("open.dlq", orders)
    readable = f"{corner.stream}|{orders}|{open_to_all}"
    allow(corner, user, corner.stream, f"{corner.stream}|amq.default", readable)
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 1)

        def problem() -> str:
            return following.problem("rabbitmq dead letters")

        def told() -> list[str]:
            return [line for line in caplog.messages if f"queue {secret} isn't read" in line]

        until(told, lambda: caplog.text)
        assert "set_permissions" in told()[0]
        assert "\n" not in told()[0]
        until(lambda: problem() == "", problem)
        until(lambda: (f"rabbitmq:{orders}", "OrderPlaced-0") in following.events(), "the event")
        until(lambda: following.api("dead-letters")["dead_letters"], "the other queue's letter")
        until(lambda: following.problem() == "", following.problem)
        allow(corner, user, corner.stream, f"{corner.stream}|amq.default", f"{readable}|{secret}")
        until(lambda: len(following.api("dead-letters")["dead_letters"]) == 2, "both letters")
        assert len(told()) == 1
    corner.manage("DELETE", f"users/{user}")


def test_exchanges_that_are_not_there_are_named_until_they_are(
    corner: Corner, following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    idle = (
        f"follows no exchange: none fits --rabbitmq-exchanges {corner.exchanges}: correct it, or declare one"
    )
    with following:
        until(lambda: following.remark() == idle, following.remark)
        assert following.problem() == ""
        orders = corner.taken_exchange("orders")
        bindings = f"queues/%2F/{corner.stream}/bindings"
        until(lambda: orders in {each["source"] for each in corner.manage("GET", bindings)}, "the binding")
        corner.publish(orders, 1)
        until(lambda: len(following.events()) == 1, "the event")
        until(lambda: following.remark() == "", following.remark)
    assert caplog.text.count(idle) == 1


def test_a_queue_that_is_deleted_and_made_anew_is_another_one_and_the_rest_stays_fresh(
    corner: Corner, following: Following
) -> None:
    orders = corner.exchange("orders")
    kept, doomed = corner.queue("orders.kept", orders), corner.queue("orders.doomed", orders)

    def lags() -> dict[str, Any]:
        answer = following.api("lag")
        return (
            {each["group"].removeprefix("rabbitmq:"): each["lag"] for each in answer["groups"]}
            if answer
            else {}
        )

    with following:
        until(lambda: lags() == {kept: 0, doomed: 0}, lags)
        until(lambda: following.problem() == "", following.problem)
        corner.publish(orders, 4)
        until(lambda: lags() == {kept: 4, doomed: 4}, lags)
        corner.manage("DELETE", f"queues/%2F/{doomed}")
        corner.publish(orders, 1, first=4)
        until(lambda: lags() == {kept: 5}, lags)
        corner.queue("orders.doomed", orders, x_queue_type="quorum")
        corner.publish(orders, 2, first=5)
        until(lambda: lags() == {kept: 7, doomed: 2}, lags)
        until(lambda: following.api("lag")["failures"] == [], lambda: following.api("lag"))
        until(lambda: following.problem() == "", following.problem)
        until(lambda: len(following.events()) == 7, "every event")


def test_a_queue_that_somebody_has_for_himself_keeps_no_other_from_being_told(
    corner: Corner, following: Following
) -> None:
    orders = corner.exchange("orders")
    with following, corner.channel() as owner:
        owner.queue_declare(corner.called("mine"), exclusive=True)
        owner.queue_bind(corner.called("mine"), orders, "#")
        others = [corner.queue(f"other-{number}", orders) for number in range(2)]
        corner.publish(orders, 3)
        for queue in (*others, corner.called("mine")):
            until(
                lambda queue=queue: (
                    (found := following.api(f"lag?group=rabbitmq:{queue}")) and found["groups"][0]["lag"] == 3
                ),
                queue,
            )


def test_unbind_takes_the_stream_away_and_nothing_else(
    corner: Corner, following: Following, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = corner.exchange("orders")
    mine = corner.queue("mine", orders)
    with following:
        until(lambda: following.problem() == "", "the tail")
    monkeypatch.setenv("FLOWTRAIL_RABBITMQ", corner.place.url)
    monkeypatch.setenv("FLOWTRAIL_RABBITMQ_MANAGEMENT", corner.place.management)
    command = ["rabbitmq", "unbind", "--rabbitmq-queue"]
    monkeypatch.setenv("FLOWTRAIL_RABBITMQ_PASSWORD", "no")
    assert run([*command, corner.stream]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "with this password" in said
    assert "tag monitoring" not in said
    monkeypatch.delenv("FLOWTRAIL_RABBITMQ_PASSWORD")
    assert run([*command, mine]) == 3
    assert "wasn't declared by flowtrail" in capsys.readouterr().err
    assert run([*command, corner.stream]) == 0
    assert corner.stream in capsys.readouterr().out
    assert run([*command, corner.stream]) == 1
    assert corner.depth(mine) == 0
