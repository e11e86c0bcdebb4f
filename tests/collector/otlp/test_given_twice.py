"""A member that an object of OTLP/JSON has twice: only one could be kept, so the request is refused, with its name."""

from __future__ import annotations

import copy
import json

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.spans.compression import BodyError
from flowtrail_collector.spans.decoding import from_json

AGAIN = "again:"


def example(descriptor, above=()):
    """An object that has each member once, messages within themselves and all but one of a choice left out."""
    found = {}
    for field in descriptor.fields:
        choice = field.containing_oneof
        if field.message_type in above or (choice is not None and choice.fields[0] is not field):
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            value = example(field.message_type, (*above, descriptor))
        elif field.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING):
            value = "ab" * (16 if field.name == "trace_id" else 8)
        else:
            value = 1
        found[field.json_name] = [value] if field.is_repeated else value
    return found


REQUEST = example(ExportTraceServiceRequest.DESCRIPTOR)


def ways(item=REQUEST, path=()):
    """The way to each member of each object."""
    if isinstance(item, dict):
        for name, value in item.items():
            yield (*path, name)
            yield from ways(value, (*path, name))
    elif isinstance(item, list):
        yield from ways(item[0], (*path, 0))


WAYS = {".".join(map(str, way)): way for way in ways()}


def body(way, *, spelt, first=False, value=None):
    """The request, with a member a second time; the same once more unless another value is given."""
    request = copy.deepcopy(REQUEST)
    holder = request
    for step in way[:-1]:
        holder = holder[step]
    before = dict(holder)
    holder.clear()
    again = {AGAIN + spelt: before[way[-1]] if value is None else value}
    holder.update({**again, **before} if first else {**before, **again})
    return json.dumps(request).replace(AGAIN, "").encode()


def snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def refusal(content):
    with pytest.raises(BodyError) as refused:
        from_json(content)
    assert refused.value.status == 400
    return refused.value.message


def test_the_request_itself_is_taken():
    found = from_json(json.dumps(REQUEST).encode())
    assert (len(found.spans), found.rejected) == (1, 0)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("value", [None, {}, "other"])
@pytest.mark.parametrize("name", WAYS)
def test_whichever_member_it_is_and_whatever_it_says(name, value, first):
    way = WAYS[name]
    assert f'"{way[-1]}" is given twice' in refusal(body(way, spelt=way[-1], first=first, value=value))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if snake(way[-1]) != way[-1]])
def test_both_spellings_of_one_member(name, first):
    way = WAYS[name]
    assert f'"{way[-1]}" is given twice' in refusal(body(way, spelt=snake(way[-1]), first=first))


def test_a_member_that_OTLP_does_not_know():
    assert '"other" is given twice' in refusal(b'{"other": 1, "resourceSpans": [], "other": 2}')


def test_a_body_that_is_not_utf_8_throughout():
    assert '"name" is given twice' in refusal(b'{"resourceSpans": [{"name": "\xff", "name": "b"}]}')


def test_its_name_may_be_long_or_odd():
    for name in ("x" * 10_000, "a\nb", "\ud800", ""):
        member = json.dumps(name)
        message = refusal(f"{{{member}: 1, {member}: 2}}".encode())
        assert "given twice" in message
        assert len(message) < 300
        assert "\n" not in message
        message.encode()


def test_names_that_only_look_alike_are_two():
    found = from_json(b'{"traceid": 1, "trace_iD": 2, "resourceSpans": []}')
    assert "not in this version of OTLP" in found.reason
