"""The topics of the broker: names, ids, partitions, settings."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kio.schema.errors import ErrorCode

from devbroker.log import PartitionLog

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
MAX_PARTITIONS = 10_000

# Settings a topic may be created with that change what the broker does.
RETENTION_BYTES = "retention.bytes"
MAX_MESSAGE_BYTES = "max.message.bytes"


class TopicError(Exception):
    """A topic operation that is refused; carries the protocol's error code."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Topic:
    """A topic and its partitions."""

    name: str
    id: uuid.UUID
    partitions: list[PartitionLog] = field(default_factory=list)
    configs: dict[str, str] = field(default_factory=dict)

    def partition(self, index: int) -> PartitionLog | None:
        """The partition of that number, if there is one."""
        return self.partitions[index] if 0 <= index < len(self.partitions) else None


class Topics:
    """All topics, by name and by id.

    Args:
        default_partitions: how many partitions a topic gets that doesn't ask for a number.
        retention_bytes: per partition, unless the topic sets `retention.bytes`; None keeps all.
        max_batch_bytes: per batch, unless the topic sets `max.message.bytes`.
    """

    def __init__(self, *, default_partitions: int, retention_bytes: int | None, max_batch_bytes: int) -> None:
        self.default_partitions = default_partitions
        self.retention_bytes = retention_bytes
        self.max_batch_bytes = max_batch_bytes
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[uuid.UUID, Topic] = {}

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._by_name.values()))

    def get(self, name: str | None = None, topic_id: uuid.UUID | None = None) -> Topic | None:
        """The topic of that name, else of that id."""
        if name:
            return self._by_name.get(name)
        return self._by_id.get(topic_id) if topic_id is not None else None

    def create(
        self,
        name: str,
        partitions: int = -1,
        configs: Mapping[str, str] | None = None,
        *,
        validate_only: bool = False,
    ) -> Topic:
        """Create a topic (`partitions=-1`: the default number).

        Raises:
            TopicError: the name, the number or a setting is wrong, or the topic exists.
        """
        _check_name(name)
        if name in self._by_name:
            raise TopicError(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
        count = self.default_partitions if partitions == -1 else partitions
        if not 1 <= count <= MAX_PARTITIONS:
            raise TopicError(
                ErrorCode.invalid_partitions, f"{count} partitions; 1 to {MAX_PARTITIONS} may be had."
            )
        topic = Topic(name, uuid.uuid4(), configs=dict(configs or {}))
        self._grow(topic, count)
        if not validate_only:
            self._by_name[name] = topic
            self._by_id[topic.id] = topic
        return topic

    def grow(self, name: str, count: int, *, validate_only: bool = False) -> None:
        """Give a topic more partitions.

        Raises:
            TopicError: there is no such topic, or `count` isn't more than it has.
        """
        topic = self._by_name.get(name)
        if topic is None:
            raise TopicError(
                ErrorCode.unknown_topic_or_partition, "This server does not host this topic-partition."
            )
        if not len(topic.partitions) < count <= MAX_PARTITIONS:
            raise TopicError(
                ErrorCode.invalid_partitions,
                f"{count} partitions are not more than the {len(topic.partitions)} there are, or too many.",
            )
        if not validate_only:
            self._grow(topic, count)

    def delete(self, name: str | None = None, topic_id: uuid.UUID | None = None) -> Topic:
        """Delete a topic and hand it back; whoever waits for its records is woken.

        Raises:
            TopicError: there is no such topic.
        """
        topic = self.get(name, topic_id)
        if topic is None:
            code = ErrorCode.unknown_topic_or_partition if name else ErrorCode.unknown_topic_id
            raise TopicError(code, "This server does not host this topic.")
        del self._by_name[topic.name]
        del self._by_id[topic.id]
        for partition in topic.partitions:
            for notify in list(partition.on_append):
                notify()
        return topic

    def _grow(self, topic: Topic, count: int) -> None:
        retention = _number(topic.configs, RETENTION_BYTES, self.retention_bytes)
        max_bytes = _number(topic.configs, MAX_MESSAGE_BYTES, self.max_batch_bytes)
        while len(topic.partitions) < count:
            topic.partitions.append(
                PartitionLog(
                    retention_bytes=None if retention is None or retention < 0 else retention,
                    max_batch_bytes=self.max_batch_bytes if max_bytes is None else max_bytes,
                )
            )


def _check_name(name: str) -> None:
    if name in (".", "..") or not _NAME.fullmatch(name):
        raise TopicError(
            ErrorCode.invalid_topic_exception,
            "A topic name has 1 to 249 of the characters A-Z a-z 0-9 . _ - and is neither '.' nor '..'.",
        )


def _number(configs: Mapping[str, str], name: str, default: int | None) -> int | None:
    if name not in configs:
        return default
    try:
        return int(configs[name])
    except ValueError:
        raise TopicError(
            ErrorCode.invalid_config,
            f"Invalid value {configs[name]} for configuration {name}: a number is expected.",
        ) from None
