"""Requests with texts that aren't Unicode, made readable.

Protobuf and JSON let a reader refuse the whole body for one such byte, and with it the spans of everybody else whom
a collector on the way put into the same request. https://github.com/open-telemetry/oteps/pull/257
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["NOT_UTF_8", "json_of", "repaired_json", "repaired_protobuf"]

NOT_UTF_8 = "bytes that are not UTF-8"
_NEXT_WORD = re.compile("_([a-z])")
_MAX_SHOWN = 100


def repaired_protobuf(body: bytes) -> bytes:
    """A binary request with U+FFFD where a text isn't UTF-8.

    Raises:
        DecodeError: It can't be read with any text.
    """
    request = _request_of_bytes()()
    request.ParseFromString(body)
    _repair(request, ExportTraceServiceRequest.DESCRIPTOR)
    return request.SerializeToString()


def json_of(body: bytes) -> tuple[Any, bool]:
    """The JSON in a body, and whether all of it was UTF-8.

    Raises:
        ValueError: It isn't JSON, or an object in it has a member twice.
    """
    try:
        return json.loads(body, object_pairs_hook=_each_once), True
    except UnicodeDecodeError:
        return json.loads(body.decode("utf-8", "replace"), object_pairs_hook=_each_once), False


def repaired_json(data: Any) -> Any:
    """The same with U+FFFD for halves of surrogate pairs; None if there are none."""
    text = json.dumps(data, ensure_ascii=False)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return None if whole == text else json.loads(whole)


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of protobuf's JSON, where `trace_id` is another way to write `traceId`.

    Only one of two values could be kept. Unlike a broken text, which a collector passes on with other people's spans,
    this is made by whoever wrote the whole body: refusing it costs nobody else anything.
    """
    found = dict(members)
    if len(found) < len(members) or "_" in "".join(found):
        seen = set()
        for member, _ in members:
            name = _NEXT_WORD.sub(lambda word: word[1].upper(), member)
            if name in seen:
                raise ValueError(f"{json.dumps(name[:_MAX_SHOWN])} is given twice in one object")
            seen.add(name)
    return found


def _repair(message: Message, known: Descriptor) -> None:
    for field, value in message.ListFields():
        own = known.fields_by_number[field.number]
        if own.message_type is not None:
            for item in value if own.is_repeated else (value,):
                _repair(item, own.message_type)
        elif own.type == FieldDescriptor.TYPE_STRING:
            if own.is_repeated:
                value[:] = [_readable(item) for item in value]
            else:
                setattr(message, own.name, _readable(value))


def _readable(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode()


@cache
def _request_of_bytes() -> type[Message]:
    """The class of a request in which bytes stand for texts, so that any can be read."""
    pool = descriptor_pool.DescriptorPool()
    for file in dict.fromkeys(_files(ExportTraceServiceRequest.DESCRIPTOR.file)):
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            _take_bytes(message)
        pool.AddSerializedFile(proto.SerializeToString())
    found = pool.FindMessageTypeByName(ExportTraceServiceRequest.DESCRIPTOR.full_name)
    return message_factory.GetMessageClass(found)


def _files(file: FileDescriptor) -> Iterator[FileDescriptor]:
    for needed in file.dependencies:
        yield from _files(needed)
    yield file


def _take_bytes(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type == FieldDescriptorProto.TYPE_STRING:
            field.type = FieldDescriptorProto.TYPE_BYTES
    for inner in message.nested_type:
        _take_bytes(inner)
