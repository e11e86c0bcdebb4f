"""Whether topics exist, and creating them, with each client's own admin calls."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from flowtrail.clients._port import ClientError, HeadersTooLargeError, TooLargeError

_ADMIN_SECONDS = 10.0

_NONE, _UNKNOWN_TOPIC, _LEADER_NOT_AVAILABLE, _ALREADY_EXISTS = 0, 3, 5, 36
_UNSUPPORTED = (35, 42)  # an old broker that wants partitions and replicas spelt out; it creates on demand
_TOO_LARGE = (10, 18)


def is_too_large(error: BaseException | None) -> bool:
    """Whether a record was refused, by the client or the broker, for its size alone."""
    for each in _causes(error):
        if isinstance(each, TooLargeError):
            return True
        cause = each.args[0] if each.args else None
        code = getattr(cause, "code", None)
        if getattr(each, "errno", None) in _TOO_LARGE or (callable(code) and code() in _TOO_LARGE):
            return True
    return False


def has_too_large_headers(error: BaseException | None) -> bool:
    """Whether it was refused for the size of its headers alone."""
    return any(isinstance(each, HeadersTooLargeError) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from, each once: one may be its own cause."""
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        yield error
        error = error.__cause__


def _exists(code: int) -> bool:
    return code in (_NONE, _LEADER_NOT_AVAILABLE)


def _created(code: int) -> bool:
    return code in (_NONE, _ALREADY_EXISTS, *_UNSUPPORTED)


def ensure_kafka_python(kafka: Any, settings: Mapping[str, Any], topics: Collection[str]) -> dict[str, str]:
    """See `ChecksTopics.ensure_topics`."""
    errors = kafka.errors
    known = kafka.KafkaAdminClient.DEFAULT_CONFIG
    try:
        admin = kafka.KafkaAdminClient(**{name: settings[name] for name in settings if name in known})
        with contextlib.closing(admin):
            found = {topic["name"]: topic["error_code"] for topic in admin.describe_topics(list(topics))}
            missing = {topic: code for topic, code in found.items() if not _exists(code)}
            unknown = [topic for topic, code in missing.items() if code == _UNKNOWN_TOPIC]
            if unknown:
                answer = admin.create_topics({topic: {} for topic in unknown}, raise_errors=False)
                missing.update({topic["name"]: topic["error_code"] for topic in answer["topics"]})
    except errors.IncompatibleBrokerVersion:
        return {}
    except errors.KafkaError as error:
        raise ClientError(str(error)) from error
    return {topic: str(errors.for_code(code)()) for topic, code in missing.items() if not _created(code)}


def ensure_confluent(confluent: Any, settings: Mapping[str, Any], topics: Collection[str]) -> dict[str, str]:
    """See `ChecksTopics.ensure_topics`."""
    administration: Any = importlib.import_module("confluent_kafka.admin")

    admin = administration.AdminClient({**settings, "allow.auto.create.topics": False})
    missing: dict[str, str] = {}
    try:
        unknown = []
        for topic in topics:
            error = admin.list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].error
            if error is not None and error.code() == _UNKNOWN_TOPIC:
                unknown.append(topic)
            elif error is not None and not _exists(error.code()):
                missing[topic] = error.str()
    except confluent.KafkaException as error:
        raise ClientError(str(error)) from error
    if not unknown:
        return missing
    asked = [administration.NewTopic(topic, -1, -1) for topic in unknown]
    for topic, future in admin.create_topics(asked, request_timeout=_ADMIN_SECONDS).items():
        try:
            future.result(2 * _ADMIN_SECONDS)
        except confluent.KafkaException as error:
            if not _created(error.args[0].code()):
                missing[topic] = error.args[0].str()
    return missing


async def ensure_aiokafka(
    aiokafka: Any, settings: Mapping[str, Any], topics: Collection[str]
) -> dict[str, str]:
    """See `ChecksTopics.ensure_topics`."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    known = inspect.signature(AIOKafkaAdminClient).parameters
    admin = AIOKafkaAdminClient(**{name: settings[name] for name in settings if name in known})
    try:
        async with asyncio.timeout(2 * _ADMIN_SECONDS):
            await admin.start()
            described = await admin.describe_topics(list(topics))
            found = {topic["topic"]: topic["error_code"] for topic in described}
            missing = {topic: code for topic, code in found.items() if not _exists(code)}
            unknown = [topic for topic, code in missing.items() if code == _UNKNOWN_TOPIC]
            if unknown:
                answer = await admin.create_topics([NewTopic(topic, -1, -1, {}) for topic in unknown])
                missing.update(_codes(answer))
    except aiokafka.errors.IncompatibleBrokerVersion:
        return {}
    finally:
        await admin.close()
    return {
        topic: str(aiokafka.errors.for_code(code)()) for topic, code in missing.items() if not _created(code)
    }


def _codes(answer: Any) -> Iterator[tuple[str, int]]:
    for topic, code, *_ in answer.topic_errors:
        yield topic, code
