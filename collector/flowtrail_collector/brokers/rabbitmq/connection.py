"""How RabbitMQ is reached over AMQP 0.9.1, and what its refusals mean."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from flowtrail.errors import to_install
from flowtrail.wire.amqp_pika import is_undecodable
from flowtrail_collector.errors import ConfigurationError, ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = [
    "INTERNAL_ERROR",
    "RefusedError",
    "UndecodableError",
    "connect",
    "disconnect",
    "is_of_a_key",
    "pika_module",
    "said_by",
]

_CONNECT_SECONDS = 5.0
_DEFAULT_EXCHANGE = "amq.default"
_RESOURCE = re.compile(r"access to (?P<kind>exchange|queue) '(?P<name>[^']*)'")
_HEARTBEAT_SECONDS = 30
INTERNAL_ERROR = 541
_ACCESS_REFUSED, _NOT_FOUND, _PRECONDITION, _NOT_ALLOWED = 403, 404, 406, 530


class RefusedError(ServiceUnreachableError):
    """RabbitMQ answers and refuses.

    Attributes:
        code: AMQP's reply code; 0 if there is none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class UndecodableError(ServiceUnreachableError):
    """The client can't decode what came, and has dropped the connection."""


def pika_module() -> ModuleType:
    """The client.

    Raises:
        ConfigurationError: It isn't installed.
    """
    try:
        import pika
    except ImportError:
        raise ConfigurationError(f"--rabbitmq needs pika: {to_install('collector', 'pika')}") from None
    # It logs each failure with every step on the way to it; what matters is told where it is asked for.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    return pika  # type: ignore[no-any-return]


def connect(config: RabbitConfig, purpose: str, kind: type[Any] | None = None) -> BlockingConnection:
    """A connection of its own for one thread.

    Args:
        config: Where to.
        purpose: What the server's list of connections calls it.
        kind: The class beneath, if it isn't the client's own.

    Raises:
        RefusedError: The server refuses; says what to do.
        ServiceUnreachableError: No server answers.
    """
    pika = pika_module()
    with said_by(config):
        # Versions of the client differ in whether they take a class at all.
        beneath = {} if kind is None else {"_impl_class": kind}
        connection: BlockingConnection = pika.BlockingConnection(
            _parameters(config, pika, purpose), **beneath
        )
    return connection


def disconnect(config: RabbitConfig, connection: BlockingConnection) -> None:
    """Let go of a connection, whether the server is still there or not."""
    if connection.is_open:
        with suppress(ServiceUnreachableError), said_by(config):
            connection.close()


@contextmanager
def said_by(config: RabbitConfig) -> Iterator[None]:
    """Turn what the client raises into what is wrong and what to do."""
    pika = pika_module()
    errors = pika.exceptions
    # What opening a connection takes too long for is none of the client's own errors.
    opening = pika.adapters.utils.connection_workflow.AMQPConnectorException
    try:
        yield
    except errors.ProbableAuthenticationError as error:
        # The client also takes a connection that is lost while it is opened for a wrong password.
        if "ACCESS_REFUSED" not in str(error):
            raise _unreachable(config, error) from None
        user, how = config.credentials[0], "with this password: correct --rabbitmq and"
        if not config.is_password_given:
            how = "with RabbitMQ's default password, and no other one was given: set"
        raise RefusedError(
            f"RabbitMQ at {config.shown} doesn't know user {user} {how} FLOWTRAIL_RABBITMQ_PASSWORD, or add the user"
            " (rabbitmqctl add_user)",
            _ACCESS_REFUSED,
        ) from None
    except errors.ProbableAccessDeniedError as error:
        if str(_NOT_ALLOWED) not in str(error):
            raise _unreachable(config, error) from None
        raise _refusal(config, *_reply(error, _NOT_ALLOWED)) from None
    except (errors.ConnectionClosedByBroker, errors.ChannelClosedByBroker) as error:
        raise _refusal(config, error.reply_code, str(error.reply_text)) from None
    except (errors.AMQPError, opening, OSError) as error:
        raise _unreachable(config, error) from None


def _parameters(config: RabbitConfig, pika: ModuleType, purpose: str) -> Any:
    parts = urlsplit(config.url)
    user, password = config.credentials
    secure = parts.scheme == "amqps"
    options = dict(parse_qsl(parts.query))
    return pika.ConnectionParameters(
        host=parts.hostname or "",
        port=parts.port or (5671 if secure else 5672),
        virtual_host=config.vhost,
        credentials=pika.PlainCredentials(user, password, erase_on_connect=False),
        ssl_options=pika.SSLOptions(_tls(options), parts.hostname) if secure else None,
        heartbeat=_HEARTBEAT_SECONDS,
        socket_timeout=_CONNECT_SECONDS,
        stack_timeout=2 * _CONNECT_SECONDS,
        blocked_connection_timeout=None,
        client_properties={"connection_name": f"flowtrail-{purpose}"},
    )


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    """As RabbitMQ's other clients read it from a URL: `cacertfile`, `certfile`, `keyfile`."""
    try:
        context = ssl.create_default_context(cafile=options.get("cacertfile"))
        if "certfile" in options:
            context.load_cert_chain(options["certfile"], options.get("keyfile"))
    except OSError as error:
        raise ConfigurationError(f"--rabbitmq: its certificates can't be used: {error}") from None
    return context


def _reply(error: BaseException, default: int) -> tuple[int, str]:
    code = getattr(error, "reply_code", None) or (error.args[0] if error.args else default)
    text = getattr(error, "reply_text", None) or (error.args[1] if len(error.args) > 1 else str(error))
    return (code if isinstance(code, int) else default), str(text)


def _unreachable(config: RabbitConfig, error: BaseException) -> ServiceUnreachableError:
    if is_undecodable(error):
        version = getattr(pika_module(), "__version__", "of unknown version")
        return UndecodableError(f"pika {version} can't decode a message's headers{_reason(error)}")
    return ServiceUnreachableError(f"no RabbitMQ broker answers at {config.shown}{_reason(error)}")


def _reason(error: BaseException) -> str:
    """What the client says, without what it puts around it."""
    text = str(error).strip().partition("\n")[0]
    inner = getattr(error, "__cause__", None)
    return f": {text or inner}" if text or inner else ""


def _refusal(config: RabbitConfig, code: int, text: str) -> RefusedError:
    said = text.strip().partition("\n")[0]
    if code == _NOT_ALLOWED and "vhost" in said:
        advice = (
            "correct the virtual host at the end of --rabbitmq (the default one is %2F), or add it"
            " (rabbitmqctl add_vhost) and give the user permissions there"
        )
    elif code == _ACCESS_REFUSED and is_of_a_key(said):
        advice = f"let user {config.credentials[0]} read that routing key (rabbitmqctl set_topic_permissions)"
    elif code == _ACCESS_REFUSED:
        advice = f"give user {config.credentials[0]} {_lacking(config, said)} (rabbitmqctl set_permissions)"
    elif code == _PRECONDITION and "inequivalent" in said:
        advice = (
            "it exists with other settings: choose another name with --rabbitmq-queue, or unbind it first"
        )
    elif code == _NOT_FOUND:
        advice = "it was deleted meanwhile"
    else:
        return RefusedError(f"RabbitMQ at {config.shown} closed the connection: {code} {said}", code)
    return RefusedError(f"RabbitMQ at {config.shown} refuses: {said}: {advice}", code)


def is_of_a_key(said: str) -> bool:
    """Whether a refusal is about one routing key, by a topic permission, and not about an exchange or queue."""
    return "access to topic " in said


def _lacking(config: RabbitConfig, said: str) -> str:
    """The permission that a refusal is about: the server names the resource, before 3.12 without what was to be done."""
    found = _RESOURCE.search(said)
    kind, name = (found["kind"], found["name"]) if found else ("queue", config.queue)
    if name == config.queue:
        return f"configure, write and read on {name}"
    if name == _DEFAULT_EXCHANGE:
        return f"write on {name}"
    if kind == "exchange":
        return f"read on exchange {name} if it is to be followed, write if it is to be redriven to"
    return f"read on queue {name}"
