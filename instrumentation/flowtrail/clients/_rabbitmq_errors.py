"""What RabbitMQ's refusals mean, and what to do about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TypeVar

from flowtrail.clients._port import ClientError, ReachedError, RefusedError, TooLargeError
from flowtrail.errors import FlowtrailError
from flowtrail.wire.amqp import shown_key

T = TypeVar("T")

ACCESS_REFUSED, NOT_FOUND, RESOURCE_LOCKED, PRECONDITION_FAILED, NOT_ALLOWED = 403, 404, 405, 406, 530
INTERNAL_ERROR = 541
_PAUSES_SECONDS = 0.1, 0.4


class InternalError(ReachedError):
    """The server stumbled over itself."""


def refusal(code: int, text: str) -> FlowtrailError:
    """What a server says when it closes a connection or channel, and what to do about it.

    Args:
        code: AMQP's reply code.
        text: AMQP's reply text.
    """
    said = text.strip().partition("\n")[0]
    if code == ACCESS_REFUSED and "ogin was refused" in said:
        return RefusedError(
            "RabbitMQ doesn't know this user with this password: correct the URL, or add the user"
        )
    if code == ACCESS_REFUSED and "reserved prefix" in said:
        return RefusedError(f"RabbitMQ refuses: {said}: choose another name")
    if code == RESOURCE_LOCKED or (code == ACCESS_REFUSED and "exclusive use" in said):
        return ReachedError(
            f"RabbitMQ refuses: {said}: another connection has this queue for itself (exclusive): end that consumer, or "
            "choose another group"
        )
    if code == ACCESS_REFUSED:
        return RefusedError(
            f"RabbitMQ refuses: {said}: give the user that permission (rabbitmqctl set_permissions), or declare "
            "exchanges and queues yourself and set declare=False"
        )
    if code == NOT_ALLOWED and "vhost" in said:
        return RefusedError(
            f"RabbitMQ refuses: {said}: correct the virtual host at the end of the URL (the default one is %2F), "
            "or add it (rabbitmqctl add_vhost) and give the user permissions there"
        )
    if code == NOT_FOUND:
        return RefusedError(f"RabbitMQ: {said}: declare it, or leave declare on")
    if code == PRECONDITION_FAILED and "message size" in said:
        return TooLargeError(f"RabbitMQ refuses: {said}")
    if code == PRECONDITION_FAILED and "inequivalent" in said:
        return RefusedError(
            f"RabbitMQ: {said}: it exists with other settings; delete it, or use the same ones"
        )
    if code == PRECONDITION_FAILED and "delivery acknowledgement" in said:
        return ReachedError(
            f"RabbitMQ: {said}: raise consumer_timeout on the server if handlers take that long"
        )
    return (InternalError if code == INTERNAL_ERROR else ReachedError)(f"RabbitMQ: {code} {said}")


def opened(opening: Callable[[], T]) -> T:
    """What is opened or declared, if need be at the third attempt.

    RabbitMQ 3 stumbles when several declare a new queue at once.

    Raises:
        ClientError: It can't be opened.
    """
    for pause in _PAUSES_SECONDS:
        with suppress(InternalError):
            return opening()
        time.sleep(pause)
    return opening()


def not_understood(client: str, error: BaseException, queues: Collection[str] = ()) -> ReachedError:
    """What is neither the server's refusal nor the network's failure: the client itself stumbled.

    Args:
        client: Its name.
        error: What it raised.
        queues: From where it was reading; empty if it wasn't.
    """
    text = str(error).strip().partition("\n")[0]
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if not queues:
        return ReachedError(f"{client} itself failed ({reason})")
    return ReachedError(
        f"{client} can't read a message of {' or '.join(queues)} ({reason}): remove it there, or correct who sends it "
        "(rabbitmqadmin get queue=NAME ackmode=reject_requeue_false takes the first one)"
    )


def blocked(reason: str) -> ClientError:
    """A publication that waited while the server took none."""
    return ClientError(
        f"RabbitMQ takes no messages ({reason or 'an alarm is on'}), and may take this one later: free memory or disk on the server, or raise "
        "vm_memory_high_watermark or disk_free_limit; rabbitmq-diagnostics alarms says which"
    )


def nobody_takes(exchange: str, routing_key: str | bytes) -> str:
    """Why a message came back."""
    key = shown_key(routing_key)
    if not exchange:
        return f"RabbitMQ has no queue {key}"
    return (
        f"no queue takes {key or 'messages without a type'} of exchange {exchange}: start a consumer of "
        "it once, or bind a queue, before events are published; a consumer that runs binds its queue again within seconds"
    )
