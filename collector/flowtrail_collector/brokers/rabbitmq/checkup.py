"""Looks at all that the collector needs of a server, and changes nothing there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtrail_collector.brokers.rabbitmq.bindings import Bindings
from flowtrail_collector.brokers.rabbitmq.connection import connect, disconnect, said_by
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.rabbitmq.plan import Plan
from flowtrail_collector.brokers.rabbitmq.stream import IDENTITY, without_streams
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig
from flowtrail_collector.wording import counted

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = ["Finding", "examine"]

_FIRST_WITH_STREAMS = (3, 9)
_STREAMS = "stream_queue"
_NOWHERE = "flowtrail.doctor"  # no queue is called so: what is published there is dropped
_MOST_NAMES = 5
_OTHER_COPY = "if the collector runs with --rabbitmq-copy published, say so here, too; else start it, and it corrects this"
_ALARMS = {"mem_alarm": "memory", "disk_free_alarm": "disk"}


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        detail: How it is; what to do, if that isn't well.
    """

    name: str
    ok: bool
    detail: str


def examine(config: RabbitConfig) -> Iterator[Finding]:
    """Reachable, virtual host, streams, management, alarms, permissions, and which exchanges are followed.

    Args:
        config: Which server, and what a collector reads there.
    """
    management = Management(config)
    connection: BlockingConnection | None = None
    try:
        connection = connect(config, "doctor")
    except ServiceUnreachableError as error:
        yield Finding("rabbitmq", False, str(error))
    else:
        yield Finding("rabbitmq", True, f"{config.shown} answers")
    try:
        yield from _by_management(config, management, connection)
    except ServiceUnreachableError as error:
        yield Finding("rabbitmq management", False, str(error))
    finally:
        management.close()
        if connection is not None:
            disconnect(config, connection)


def _by_management(
    config: RabbitConfig, management: Management, connection: BlockingConnection | None
) -> Iterator[Finding]:
    stream = management.queue(config.queue)
    version = management.version()
    yield Finding("rabbitmq management", True, f"{config.management_url} answers, RabbitMQ {version}")
    alarms = _alarms(management)
    yield alarms
    if _has_no_streams(management, version):
        yield Finding("rabbitmq stream", False, without_streams(config))
        return
    if stream is None:
        yield Finding(
            "rabbitmq stream", True, f"no queue {config.queue} yet: a collector declares it when it starts"
        )
        return
    if stream.get("type") != "stream" or IDENTITY not in stream.get("arguments", {}):
        yield Finding(
            "rabbitmq stream",
            False,
            f"queue {config.queue} wasn't declared by flowtrail: choose another name with --rabbitmq-queue",
        )
        return
    yield Finding("rabbitmq stream", True, f"{config.queue} is there")
    if connection is not None:
        yield _permissions(config, connection, stream["arguments"], may_publish=alarms.ok)
    yield from _exchanges(config, management)


def _has_no_streams(management: Management, version: str) -> bool:
    """Whether the server is too old, or its feature flag is known to be off."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return bool(numbers) and (numbers < _FIRST_WITH_STREAMS or management.is_off(_STREAMS))


def _alarms(management: Management) -> Finding:
    short = [
        f"{node['name']} is low on {kind}"
        for node in management.nodes()
        for alarm, kind in _ALARMS.items()
        if node.get(alarm)
    ]
    if short:
        advice = "nobody can publish: free some; rabbitmq-diagnostics alarms says which limit is reached"
        return Finding("rabbitmq alarms", False, f"{', '.join(short)}, and {advice}")
    return Finding("rabbitmq alarms", True, "none")


def _permissions(
    config: RabbitConfig, connection: BlockingConnection, arguments: Mapping[str, Any], *, may_publish: bool
) -> Finding:
    """Do again what is done already, and publish to nowhere: refused, it says which permission lacks.

    While an alarm is on nothing is published: the server would no longer answer on this connection.
    """

    def consume(channel: Any) -> None:
        channel.basic_qos(prefetch_count=1)
        offset = {"x-stream-offset": "next"}
        channel.basic_cancel(channel.basic_consume(config.queue, lambda *_: None, arguments=offset))

    def publish(channel: Any) -> None:
        channel.confirm_delivery()
        channel.basic_publish("", _NOWHERE, b"")

    attempts: tuple[Callable[[Any], object], ...] = (
        lambda channel: channel.queue_declare(config.queue, durable=True, arguments=dict(arguments)),
        consume,
        publish,
    )
    for attempt in attempts if may_publish else attempts[:-1]:
        try:
            with said_by(config):
                channel = connection.channel()
                attempt(channel)
                channel.close()
        except ServiceUnreachableError as error:
            return Finding("rabbitmq permissions", False, str(error))
    user = config.credentials[0]
    may = "declare, read and mark" if may_publish else "declare and read"
    return Finding("rabbitmq permissions", True, f"user {user} may {may} {config.queue}")


def _exchanges(config: RabbitConfig, management: Management) -> Iterator[Finding]:
    plan = Bindings(config, management).plan()
    if not plan.exchanges:
        yield Finding(
            "rabbitmq exchanges",
            False,
            f"none fits --rabbitmq-exchanges {config.exchanges}: correct it, or publish once",
        )
        return
    unbound = {binding.exchange for binding in plan.missing}
    followed = len(set(plan.exchanges) - unbound - plan.problems.keys())
    unheard = _unheard(plan.unheard)
    yield Finding(
        "rabbitmq exchanges",
        True,
        f"{followed} of {counted(len(plan.exchanges), 'exchange')} followed{unheard}",
    )
    for name, problem in sorted(plan.problems.items()):
        yield Finding(f"exchange {name}", False, problem)
    for name in sorted(unbound):
        yield Finding(f"exchange {name}", False, _why_unbound(config, plan, name))


def _why_unbound(config: RabbitConfig, plan: Plan, name: str) -> str:
    """What to do about an exchange that the stream isn't bound to as it should be."""
    if plan.takes_everything(name):
        return f"is bound with all that is published there: {_OTHER_COPY}"
    return (
        f"isn't bound to {config.queue}: start the collector; if it runs, let user {config.credentials[0]} read this"
        " exchange (rabbitmqctl set_permissions), and its keys (set_topic_permissions)"
    )


def _unheard(names: Collection[str]) -> str:
    """Exchanges that nobody takes anything of, in words; empty for none."""
    if not names:
        return ""
    shown = ", ".join(sorted(names)[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; no queue is bound to {shown}{more}: nothing of what is published there is followed"
