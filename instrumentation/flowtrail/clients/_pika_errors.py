"""What pika raises, as the port wants to hear it."""

from __future__ import annotations

from typing import Any

from flowtrail.clients._port import ClientError, ReachedError
from flowtrail.clients._rabbitmq_errors import ACCESS_REFUSED, NOT_ALLOWED, blocked, not_understood, refusal
from flowtrail.errors import FlowtrailError


def failure_of(pika: Any, error: BaseException, block_reason: str = "") -> FlowtrailError:
    """The port's error for one of pika's or of the network.

    Args:
        pika: The module.
        error: What pika raised or reported.
        block_reason: Why the server takes no messages, as far as it said.
    """
    errors = pika.exceptions
    if isinstance(error, FlowtrailError):
        return error
    if isinstance(error, errors.ConnectionBlockedTimeout):
        return blocked(block_reason)
    if isinstance(error, errors.ChannelClosedByBroker | errors.ConnectionClosedByBroker):
        return refusal(error.reply_code, error.reply_text)
    # pika takes whatever ends a connection at these two stages for a refusal, and keeps what it was as text.
    if isinstance(error, errors.ProbableAuthenticationError) and "ACCESS_REFUSED" in str(error):
        return refusal(ACCESS_REFUSED, "Login was refused")
    if isinstance(error, errors.ProbableAccessDeniedError) and "NOT_ALLOWED" in str(error):
        return refusal(NOT_ALLOWED, "access to the vhost is refused")
    if isinstance(error, errors.ProbableAuthenticationError | errors.ProbableAccessDeniedError):
        return ReachedError(f"the connection to RabbitMQ was lost while it was opened: {error.args[0]}")
    nested = _nested(error)
    if nested is not None:
        return failure_of(pika, nested, block_reason)
    if not isinstance(error, errors.AMQPError | OSError):
        return not_understood("pika", error)
    return ClientError(str(error).strip().partition("\n")[0] or type(error).__name__)


def _nested(error: BaseException) -> BaseException | None:
    """What a failed attempt to connect is about: pika wraps it several times over."""
    attempts = getattr(error, "exceptions", None)
    if attempts:
        found: BaseException = attempts[-1]
        return found
    inner = getattr(error, "exception", None)
    if isinstance(inner, BaseException):
        return inner
    arguments = [argument for argument in error.args if isinstance(argument, BaseException)]
    return arguments[-1] if arguments else error.__cause__
