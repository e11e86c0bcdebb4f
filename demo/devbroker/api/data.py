"""Records: produce, fetch, look up, delete."""

import asyncio
from collections.abc import Iterator
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.api._client import Client
from devbroker.broker import Broker, Response
from devbroker.codec import Request
from devbroker.log import LEADER_EPOCH, PartitionLog
from devbroker.topics import Topic

_EARLIEST_LOCAL, _MAX_TIMESTAMP, _EARLIEST, _LATEST = -4, -3, -2, -1
_ALLOWED_ACKS = (-1, 0, 1)
_MAX_WAIT_SECONDS = 300
_NO_RECORDS = b""


async def produce(broker: Broker, request: Request, _client: Client) -> Response | None:
    responses = []
    for item in request.body.topic_data:
        topic = broker.topics.get(item.name, item.topic_id)
        unknown = ErrorCode.unknown_topic_or_partition if item.name else ErrorCode.unknown_topic_id
        responses.append(
            {
                "name": item.name,
                "topic_id": item.topic_id,
                "partition_responses": [
                    _append(topic, unknown, part, request.body.acks) for part in item.partition_data
                ],
            }
        )
    return None if request.body.acks == 0 else {"responses": responses}


def _append(topic: Topic | None, unknown: ErrorCode, part: Any, acks: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"index": part.index, "base_offset": -1}
    log = topic.partition(part.index) if topic is not None else None
    if acks not in _ALLOWED_ACKS:
        return answer | {"error_code": ErrorCode.invalid_required_acks}
    if log is None:
        return answer | {"error_code": unknown}
    appended = log.append(part.records)
    return answer | {
        "error_code": appended.error,
        "error_message": appended.message,
        "base_offset": appended.base_offset,
        "log_start_offset": log.start_offset,
    }


async def fetch(broker: Broker, request: Request, _client: Client) -> Response:
    """Answer when `min_bytes` are there, or an error is, or the wait is over."""
    body = request.body
    wait_seconds = min(max(body.max_wait, 0) / 1000, _MAX_WAIT_SECONDS)
    logs = {log for _, _, log in _fetched(broker, body) if log is not None}
    arrived = asyncio.Event()
    for log in logs:
        log.on_append.add(arrived.set)
    try:
        async with asyncio.timeout(wait_seconds):
            while not _is_enough(broker, body):
                arrived.clear()
                await arrived.wait()
    except TimeoutError:
        pass
    finally:
        for log in logs:
            log.on_append.discard(arrived.set)
    return {"responses": _read(broker, body)}


def _fetched(broker: Broker, body: Any) -> Iterator[tuple[Any, Any, PartitionLog | None]]:
    for item in body.topics:
        topic = broker.topics.get(item.topic, item.topic_id)
        for part in item.partitions:
            yield item, part, topic.partition(part.partition) if topic is not None else None


def _is_enough(broker: Broker, body: Any) -> bool:
    size = 0
    for _, part, log in _fetched(broker, body):
        if log is None or not log.start_offset <= part.fetch_offset <= log.end_offset:
            return True
        size += log.available_bytes(part.fetch_offset, body.min_bytes)
        if size >= body.min_bytes:
            return True
    return bool(body.min_bytes <= 0)


def _read(broker: Broker, body: Any) -> list[dict[str, Any]]:
    left = body.max_bytes
    first = True
    topics: list[dict[str, Any]] = []
    last_item = None
    for item, part, log in _fetched(broker, body):
        if item is not last_item:
            topics.append({"topic": item.topic, "topic_id": item.topic_id, "partitions": []})
            last_item = item
        answer = _read_partition(item, part, log, min(left, part.partition_max_bytes), at_least_one=first)
        left -= len(answer["records"])
        first = first and not answer["records"]
        topics[-1]["partitions"].append(answer)
    return topics


def _read_partition(
    item: Any, part: Any, log: PartitionLog | None, max_bytes: int, *, at_least_one: bool
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "partition_index": part.partition,
        "error_code": ErrorCode.none,
        "high_watermark": -1,
        "records": _NO_RECORDS,
    }
    if log is None:
        unknown = ErrorCode.unknown_topic_or_partition if item.topic else ErrorCode.unknown_topic_id
        return answer | {"error_code": unknown}
    if not log.start_offset <= part.fetch_offset <= log.end_offset:
        return answer | {"error_code": ErrorCode.offset_out_of_range}
    return answer | {
        "high_watermark": log.end_offset,
        "last_stable_offset": log.end_offset,
        "log_start_offset": log.start_offset,
        "records": log.read(part.fetch_offset, max_bytes, at_least_one=at_least_one),
    }


async def list_offsets(broker: Broker, request: Request, _client: Client) -> Response:
    topics = []
    for item in request.body.topics:
        topic = broker.topics.get(item.name)
        topics.append({"name": item.name, "partitions": [_look_up(topic, part) for part in item.partitions]})
    return {"topics": topics}


def _look_up(topic: Topic | None, part: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"partition_index": part.partition_index, "error_code": ErrorCode.none}
    log = topic.partition(part.partition_index) if topic is not None else None
    if log is None:
        return answer | {"error_code": ErrorCode.unknown_topic_or_partition}
    found: tuple[int, int] | None
    if part.timestamp == _LATEST:
        found = log.end_offset, -1
    elif part.timestamp in (_EARLIEST, _EARLIEST_LOCAL):
        found = log.start_offset, -1
    elif part.timestamp == _MAX_TIMESTAMP:
        found = log.max_timestamp()
    elif part.timestamp >= 0:
        found = log.offset_for_timestamp(part.timestamp)
    else:
        found = None
    if found is None:
        return answer
    return answer | {"offset": found[0], "timestamp": found[1], "leader_epoch": LEADER_EPOCH}


async def delete_records(broker: Broker, request: Request, _client: Client) -> Response:
    topics = []
    for item in request.body.topics:
        topic = broker.topics.get(item.name)
        topics.append({"name": item.name, "partitions": [_delete(topic, part) for part in item.partitions]})
    return {"topics": topics}


def _delete(topic: Topic | None, part: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"partition_index": part.partition_index, "low_watermark": -1}
    log = topic.partition(part.partition_index) if topic is not None else None
    if log is None:
        return answer | {"error_code": ErrorCode.unknown_topic_or_partition}
    try:
        return answer | {"low_watermark": log.delete_before(part.offset)}
    except ValueError:
        return answer | {"error_code": ErrorCode.offset_out_of_range}
