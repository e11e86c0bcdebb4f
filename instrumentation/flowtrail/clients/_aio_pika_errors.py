"""What aio-pika and aiormq raise, as the port wants to hear it."""

from __future__ import annotations

import asyncio
import traceback
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
    if isinstance(error, aiormq.exceptions.InvalidFrameError) and "got <Connection.Close" in text:
        return refusal(*_closed_with(error))
    if isinstance(error, aiormq.exceptions.AMQPError) and code:
        return refusal(code, text)
    if isinstance(error, asyncio.CancelledError | aiormq.exceptions.ChannelInvalidStateError):
        return ClientError("the connection to RabbitMQ is gone")
    return ClientError(str(error).strip().partition("\n")[0] or type(error).__name__)


def _closed_with(error: BaseException) -> tuple[int, str]:
    """Code and text with which the server refused to open a connection: aiormq keeps them only where it raised."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        close: Any = frame.f_locals.get("frame")
        if hasattr(close, "reply_code") and hasattr(close, "reply_text"):
            return close.reply_code, close.reply_text
    return NOT_ALLOWED, "access to the vhost is refused"
