"""Names that RabbitMQ or a client can't take are refused where they are given, never asked for again and again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from pamqp import commands

import flowtrail
from flowtrail.clients import choose_client
from flowtrail.errors import ConfigurationError, PublishError
from instrumentation.clients.rabbitmq_support import ADAPTERS

# What pamqp's own check refuses; a name of another kind is taken by both clients.
CODEC = ("orders*", "quote'\"", "UPPER%2F", "a=b", "a;b", "a<b", "a>b", "x" * 200)
BOTH = ("ümlaut", "new\nline", " orders", "orders ", "x" * 241)
FINE = ("orders", "a.b-c_d", "a b", "slash/x", "a#b", "a+b", "a:b", "a@b", "a,b", "x" * 127, ".", "..")


def register(adapter: str, topic: str = "orders", group: str = "g", **options: Any) -> flowtrail.Trail:
    settings = options.pop("settings", None)
    trail = flowtrail.Trail("names", "amqp://127.0.0.1:1/", client=adapter, client_settings=settings)
    trail.consumer(topic, types=options.pop("types", ["E"]), group=group, **options)(lambda event: None)
    return trail


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", FINE)
def test_what_can_be_declared_is_taken(adapter: str, name: str) -> None:
    register(adapter, name)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", BOTH)
def test_what_the_server_would_not_take_is_refused_with_the_handler(adapter: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="RabbitMQ doesn't allow the topic"):
        register(adapter, name)


@pytest.mark.parametrize("name", CODEC)
def test_what_only_aio_pika_can_not_write_is_refused_with_it_alone(name: str) -> None:
    register("pika", name)
    with pytest.raises(ConfigurationError, match=r"doesn't allow the topic .*\(aio-pika takes"):
        register("aio-pika", name)


@pytest.mark.parametrize("name", [*CODEC, *FINE])
@pytest.mark.parametrize("what", ["exchange", "queue"])
def test_the_rule_is_that_of_the_codec_that_is_installed(name: str, what: str) -> None:
    kind = choose_client("aio-pika", "amqp://localhost").kind
    refused = False
    try:
        getattr(commands, what.capitalize()).Declare(**{what: name})
    except ValueError:
        refused = True
    rule = kind.topics if what == "exchange" else kind.own_topics
    assert (rule.objection(name) is not None) is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": "bill*"}, r"the queue 'orders\.bill\*' of group"),
        ({"settings": {"queue": "{topic}={group}"}}, "the queue 'orders=g' of group"),
        ({"settings": {"queue": "{group}"}, "group": "g>", "dead_letter": False}, "the queue 'g>' of group"),
        ({"dead_letter": "lost*"}, r"the dead letter topic 'lost\*'"),
        ({"topic": "x" * 120, "group": "y" * 117}, "the dead letter topic .*longer than 240"),
    ],
)
def test_derived_names_are_checked_too(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        register("aio-pika", **options)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_group_s_queue_can_not_have_the_server_s_own_names(adapter: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"the queue 'amq\.topic\.g' .* don't begin with 'amq\.'.*set queue"
    ):
        register(adapter, "amq.topic")
    with pytest.raises(ConfigurationError, match=r"the dead letter topic 'amq\.topic\.g\.dlq'"):
        register(adapter, "amq.topic", settings={"queue": "{group}.{topic}"})
    register(adapter, "amq.topic", settings={"queue": "{group}.{topic}"}, dead_letter="lost")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_event_type_that_is_no_routing_key_is_refused_with_the_handler(adapter: str) -> None:
    register(adapter, types=["x" * 255])
    for long in ("x" * 256, "ü" * 128):
        with pytest.raises(ConfigurationError, match="at most 255 bytes"):
            register(adapter, types=[long])


@pytest.mark.parametrize(
    ("adapter", "name"),
    [*(("aio-pika", name) for name in CODEC), ("pika", "x" * 256), ("aio-pika", "ü")],
)
def test_a_publication_says_that_its_topic_can_not_be_named_so(
    adapter: str, name: str, rabbitmq: str
) -> None:
    with closing(flowtrail.Trail("names", rabbitmq, client=adapter)) as trail:
        with pytest.raises(PublishError, match="can't be used") as caught:
            trail.publish(name, {}, type="E")
        assert not caught.value.retriable
        assert "reachable" not in str(caught.value)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_queue_that_can_not_be_declared_for_its_name_is_said_to_be_missing(
    adapter: str, rabbitmq: str, topic: Callable[..., str]
) -> None:
    good, bad = topic("dlq"), "x" * 260
    client: Any = choose_client(adapter, rabbitmq)
    missing = client.ensure_topics([bad, good])
    assert list(missing) == [bad]
    assert "can't be used" in missing[bad]
