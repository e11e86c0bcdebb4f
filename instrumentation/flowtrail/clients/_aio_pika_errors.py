"""What aio-pika and aiormq raise, as the port wants to hear it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Collection
from typing import Any

from flowtrail.clients._port import ClientError
from flowtrail.clients._rabbitmq_errors import (
    ACCESS_REFUSED,
    INTERNAL_ERROR,
    NOT_ALLOWED,
    NOT_FOUND,
    PRECONDITION_FAILED,
    RESOURCE_LOCKED,
    not_understood,
    refusal,
)
from flowtrail.errors import FlowtrailError

_READER_FAILED = "reader unexpected closed"  # aiormq's own words for what its codec can't decode
_FIRST_CODE = 200
TYPE_NAME = "message_type"  # what pamqp calls the property `type`


def code_of(aiormq: Any, error: BaseException) -> int:
    """AMQP's reply code; 0 if it has none."""
    errors = aiormq.exceptions
    known = (
        (errors.ChannelAccessRefused, ACCESS_REFUSED),
        (errors.ChannelNotFoundEntity, NOT_FOUND),
        (errors.ChannelLockedResource, RESOURCE_LOCKED),
        (errors.ChannelPreconditionFailed, PRECONDITION_FAILED),
        (errors.ConnectionFrameError, 501),
        (errors.ConnectionSyntaxError, 502),
        (errors.ConnectionCommandInvalid, 503),
        (errors.ConnectionChannelError, 504),
        (errors.ConnectionUnexpectedFrame, 505),
        (errors.ConnectionResourceError, 506),
        (errors.ConnectionNotAllowed, NOT_ALLOWED),
        (errors.ConnectionNotImplemented, 540),
        (errors.ConnectionInternalError, INTERNAL_ERROR),
        (errors.ProbableAuthenticationError, ACCESS_REFUSED),
    )
    for kind, code in known:
        if isinstance(error, kind):
            return code
    first = error.args[0] if len(error.args) == 2 else 0
    # A failed system call's number is kept in the same place; AMQP's own have three digits, theirs are smaller.
    return first if isinstance(first, int) and first >= _FIRST_CODE else 0


def failure_of(aiormq: Any, error: BaseException, queues: Collection[str] = ()) -> FlowtrailError:
    """The port's error for one of aio-pika's, aiormq's or of the network.

    Args:
        aiormq: The module.
        error: What it raised.
        queues: From where it was reading; empty if it wasn't.
    """
    if isinstance(error, FlowtrailError):
        return error
    code = code_of(aiormq, error)
    text = str(error.args[-1]) if error.args else ""
    if isinstance(error, aiormq.exceptions.ProbableAuthenticationError):
        return refusal(code, "Login was refused")
    if isinstance(error, aiormq.exceptions.InvalidFrameError) and "got <Connection.Close" in text:
        return refusal(*_closed_with(error))
    if _READER_FAILED in str(error) or isinstance(error, aiormq.exceptions.InvalidFrameError):
        return not_understood("aio-pika", error, queues)
    if isinstance(error, aiormq.exceptions.AMQPError) and code:
        return refusal(code, text)
    if isinstance(error, asyncio.CancelledError | aiormq.exceptions.ChannelInvalidStateError):
        return ClientError("the connection to RabbitMQ is gone")
    if not isinstance(error, aiormq.exceptions.AMQPError | OSError | EOFError):
        return not_understood("aio-pika", error, queues)
    return ClientError(str(error).strip().partition("\n")[0] or type(error).__name__)


def _closed_with(error: BaseException) -> tuple[int, str]:
    """Code and text with which the server refused to open a connection: aiormq keeps them only where it raised."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        close: Any = frame.f_locals.get("frame")
        if hasattr(close, "reply_code") and hasattr(close, "reply_text"):
            return close.reply_code, close.reply_text
    return NOT_ALLOWED, "access to the vhost is refused"
