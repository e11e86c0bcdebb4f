"""What aio-pika and aiormq raise, as the port wants to hear it."""

from __future__ import annotations

import asyncio
from typing import Any

from flowtrail.clients._port import ClientError
from flowtrail.clients._rabbitmq import ACCESS_REFUSED, NOT_ALLOWED, NOT_FOUND, PRECONDITION_FAILED, refusal
from flowtrail.errors import FlowtrailError

TYPE_NAME = "message_type"  # what pamqp calls the property `type`


def code_of(aiormq: Any, error: BaseException) -> int:
    """AMQP's reply code; 0 if it has none."""
    errors = aiormq.exceptions
    known = (
        (errors.ChannelAccessRefused, ACCESS_REFUSED),
        (errors.ChannelNotFoundEntity, NOT_FOUND),
        (errors.ChannelPreconditionFailed, PRECONDITION_FAILED),
        (errors.ConnectionNotAllowed, NOT_ALLOWED),
        (errors.ProbableAuthenticationError, ACCESS_REFUSED),
    )
    for kind, code in known:
        if isinstance(error, kind):
            return code
    return error.args[0] if len(error.args) == 2 and isinstance(error.args[0], int) else 0


def failure_of(aiormq: Any, error: BaseException) -> FlowtrailError:
    """The port's error for one of aio-pika's, aiormq's or of the network."""
    if isinstance(error, FlowtrailError):
        return error
    code = code_of(aiormq, error)
    text = str(error.args[-1]) if error.args else ""
    if isinstance(error, aiormq.exceptions.ProbableAuthenticationError):
        return refusal(code, "Login was refused")
    if "Connection.OpenOk" in text and "Connection.Close" in text:  # all that aiormq says of it
        return refusal(NOT_ALLOWED, "access to the vhost is refused")
    if isinstance(error, aiormq.exceptions.AMQPError) and code:
        return refusal(code, text)
    if isinstance(error, asyncio.CancelledError | aiormq.exceptions.ChannelInvalidStateError):
        return ClientError("the connection to RabbitMQ is gone")
    return ClientError(str(error).strip().partition("\n")[0] or type(error).__name__)
