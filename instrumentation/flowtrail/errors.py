"""Every exception that flowtrail raises.

    FlowtrailError
    |-- ConfigurationError          settings that contradict each other, or are missing
    |   |-- MissingExtraError       an optional dependency isn't installed; names the pip install line
    |   `-- SchemaError             a contract's own schema can't be used (flowtrail.contracts)
    |-- PublishError                the broker did not take an event; .topic, .event_id, .retriable
    |-- CodecError
    |   |-- EncodeError             data could not be turned into bytes
    |   `-- DecodeError             bytes could not be turned into data; .content_type
    |-- ContractError               data breaks its contract; .type, .version, .violations
    |   `-- ContractNotFoundError   the event's type has no such version (flowtrail.contracts)
    |-- RegistryUnavailableError    the schema registry doesn't answer (flowtrail.contracts)
    |   `-- NotARegistryError       something else answers at its address (flowtrail.contracts)
    |-- ClientError                 a Kafka client is of no use any more (flowtrail.clients)
    |   `-- CommitRefusedError      the group has moved on
    `-- HandlerError                work that the library ran for a handler failed
        |-- HandlerTimeoutError     it took longer than the consumer's timeout; .seconds
        `-- DeadLetterError         the dead letter could not be published; .topic

What a user's handler or a Kafka client raises passes through unchanged, except where a method's docstring
says that it is wrapped; the original is then the `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any


def to_install(*extras: str) -> str:
    """How to get extras, in the same words as the docs."""
    return f"pip install '.[{','.join(extras)}]' in a checkout of flowtrail"


class FlowtrailError(Exception):
    """Root of everything that flowtrail raises."""


class ConfigurationError(FlowtrailError):
    """Settings are missing or contradict each other."""


class MissingExtraError(ConfigurationError):
    """An optional dependency isn't installed.

    Attributes:
        extra: The extra that brings it, as in `pip install '.[extra]'`.
        package: The import that failed.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: {to_install(extra)}")
        self.package = package
        self.extra = extra


class PublishError(FlowtrailError):
    """The broker did not take an event.

    Attributes:
        topic: Where it should have gone.
        event_id: Its `ce_id`.
        retriable: Whether trying again may help, as far as the client knows.
    """

    def __init__(
        self, message: str, *, topic: str, event_id: str | None = None, retriable: bool = False
    ) -> None:
        super().__init__(message)
        self.topic = topic
        self.event_id = event_id
        self.retriable = retriable


class CodecError(FlowtrailError):
    """Data and bytes could not be turned into one another."""


class EncodeError(CodecError):
    """Data could not be turned into bytes."""


class DecodeError(CodecError):
    """Bytes could not be turned into data.

    Attributes:
        content_type: What the record claimed to hold, None if it said nothing.
    """

    def __init__(self, message: str, *, content_type: str | None = None) -> None:
        super().__init__(message)
        self.content_type = content_type


class ContractError(FlowtrailError):
    """Data breaks the contract of its event type.

    Attributes:
        type: Event type.
        version: Contract version, None if the event names none.
        violations: One line per broken rule, naming the field.
    """

    def __init__(self, type: str, version: str | None, violations: Sequence[str]) -> None:
        named = f"{type}/{version}" if version else type
        super().__init__(f"{named} breaks its contract: {'; '.join(violations)}")
        self.type = type
        self.version = version
        self.violations = tuple(violations)


class HandlerError(FlowtrailError):
    """Work that the library ran around a handler failed."""


class HandlerTimeoutError(HandlerError, TimeoutError):
    """A handler took longer than the `timeout` of its consumer.

    Attributes:
        seconds: The timeout.
        left_behind: Ends when the handler does, which goes on without anybody waiting for its result; None
            if it was ended.
    """

    def __init__(self, handler: str, seconds: float, left_behind: Future[Any] | None = None) -> None:
        how = "was cancelled" if left_behind is None else "goes on, and its partition waits for its end"
        super().__init__(f"{handler} took longer than {seconds:g} s; it {how}")
        self.seconds = seconds
        self.left_behind = left_behind


class DeadLetterError(HandlerError):
    """A dead letter could not be published, so the record stays uncommitted.

    Attributes:
        topic: The dead letter topic.
    """

    def __init__(self, message: str, *, topic: str) -> None:
        super().__init__(message)
        self.topic = topic
