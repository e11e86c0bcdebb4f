"""What the client raises is told as what is wrong: who is refused, and who isn't answered."""

import socket
from typing import Any, cast

import pytest
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

from flowtrail_collector.brokers.rabbitmq.bindings import Bindings
from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, connect, said_by
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

CONFIG = RabbitConfig("amqp://ann:s3cret@broker/shop")
LOST = exceptions.StreamLostError("Stream connection lost: ConnectionResetError(104)")
REFUSED = exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED - Login was refused")
NO_VHOST = exceptions.ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost shop not found")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (exceptions.ProbableAuthenticationError(repr(REFUSED)), "FLOWTRAIL_RABBITMQ_PASSWORD"),
        (exceptions.ProbableAccessDeniedError(repr(NO_VHOST)), ""),
        (exceptions.ProbableAuthenticationError(repr(LOST)), None),
        (exceptions.ProbableAccessDeniedError(repr(LOST)), None),
        (exceptions.AMQPConnectionError(), None),
        (LOST, None),
        (OSError("no route"), None),
        (AMQPConnectorStackTimeout("Timeout during AMQP handshake"), None),
        (
            exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED - read access to exchange"),
            "set_permissions",
        ),
        (NO_VHOST, "add_vhost"),
    ],
    ids=repr,
)
def test_each_is_one_line(raised: Exception, said: str | None) -> None:
    with pytest.raises(ServiceUnreachableError) as caught, said_by(CONFIG):
        raise raised
    told = str(caught.value)
    assert isinstance(caught.value, RefusedError) is (said is not None)
    assert (said or "no RabbitMQ broker answers at broker:5672/shop") in told or said == ""
    assert "\n" not in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("resource", "advice"),
    [
        ("access to exchange 'things'", "read on exchange things if it is to be followed, write if it is to be redriven to"),
        ("write access to exchange 'things'", "read on exchange things if it is"),
        ("access to exchange 'amq.default'", "write on amq.default"),
        ("access to queue 'a.dlq'", "read on queue a.dlq"),
        ("access to queue 'flowtrail.events'", "configure, write and read on flowtrail.events"),
    ],
)  # fmt: skip
def test_a_refusal_says_which_permission_lacks(resource: str, advice: str) -> None:
    text = f"ACCESS_REFUSED - {resource} in vhost 'shop' refused for user 'ann'"
    with pytest.raises(RefusedError) as caught, said_by(CONFIG):
        raise exceptions.ChannelClosedByBroker(403, text)
    assert f"give user ann {advice}" in str(caught.value)
    assert "rabbitmqctl set_permissions" in str(caught.value)


def test_a_port_that_never_answers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtrail_collector.brokers.rabbitmq.connection._CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = RabbitConfig(f"amqp://ann:s3cret@127.0.0.1:{silent.getsockname()[1]}/shop")
        with pytest.raises(ServiceUnreachableError, match="no RabbitMQ broker answers at") as caught:
            connect(config, "test")
    assert "\n" not in str(caught.value)


def test_where_the_management_api_doesnt_answer_it_isnt_asked_at_once_again() -> None:
    config = RabbitConfig("amqp://ann@127.0.0.1:9/shop", management="http://127.0.0.1:9")
    bindings = Bindings(config, Management(config))
    with pytest.raises(ServiceUnreachableError):
        bindings.update(cast("Any", None))
    assert bindings.is_done


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG, "with this password"),
        (RabbitConfig("amqp://ann@broker/shop", password="s3cret"), "with this password"),
        (RabbitConfig("amqp://ann@broker/shop"), "no other one was given: set FLOWTRAIL_RABBITMQ_PASSWORD"),
    ],
    ids=["in the URL", "in the variable", "none"],
)
def test_a_refused_login_says_whether_a_password_was_given(config: RabbitConfig, said: str) -> None:
    with pytest.raises(RefusedError) as caught, said_by(config):
        raise exceptions.ProbableAuthenticationError(repr(REFUSED))
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
