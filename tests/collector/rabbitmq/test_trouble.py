"""What can be wrong on a server is told in one line that says what to do."""

from __future__ import annotations

from pathlib import Path
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
    orders, secret = corner.exchange("orders"), corner.exchange("secret")
    with Following(corner, tmp_path, url=url_of(corner, user, user)) as following:
        until(lambda: "rabbitmqctl" in following.problem(), following.problem)
        allow(corner, user, corner.stream, f"{corner.stream}|amq.default", f"{corner.stream}|{orders}")
        until(lambda: following.problem() == "", following.problem)
        corner.publish(secret, 1)
        corner.publish(orders, 1)
        until(lambda: len(following.events()) >= 1, "the event")
        assert set(following.events()) == {(f"rabbitmq:{orders}", "OrderPlaced-0")}
        lines = [each for each in following.api("lag")["failures"] if "secret" in each["name"]]
        assert lines == []
    corner.manage("DELETE", f"users/{user}")


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
    assert run([*command, mine]) == 3
    assert "wasn't declared by flowtrail" in capsys.readouterr().err
    assert run([*command, corner.stream]) == 0
    assert corner.stream in capsys.readouterr().out
    assert run([*command, corner.stream]) == 1
    assert corner.depth(mine) == 0
