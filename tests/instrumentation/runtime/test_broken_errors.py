"""Exceptions that can't be told, because their own code fails: they are failures like any other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import flowtrail
from flowtrail.testing import Harness


def _raises(*_: object) -> Any:
    raise RuntimeError("broken")


BREAKS: dict[str, Any] = {
    "raises": _raises,
    "gives nothing": lambda *_: None,
    "gives a number": lambda *_: 7,
    "takes more": lambda self, more: more,
    "is a property that raises": property(_raises),
}
ASKED = ("__str__", "__repr__", "__getattr__", "__notes__", "name")
"""What somebody who tells of an exception may ask it for."""
KINDS = {
    f"{asked} {how}": type("Broken", (Exception,), {asked: broken})
    for asked, (how, broken) in itertools.product(ASKED, BREAKS.items())
    if not (asked.startswith("__") and how.startswith("is a property"))
}
KINDS["half a surrogate pair"] = type("Broken", (Exception,), {"__str__": lambda _: "\ud800"})


class FailingCodec(flowtrail.JsonCodec):
    """Fails on one payload with an error of its own."""

    def __init__(self, make: Callable[[], Exception]) -> None:
        self._make = make

    def decode(self, payload: bytes, content_type: str | None = None) -> Any:
        if payload == b"bad":
            raise self._make()
        return super().decode(payload, content_type)


def _trail(way: str, make: Callable[[], Exception], handled: list[int]) -> flowtrail.Trail:
    decoding = way == "decoding"
    trail = flowtrail.Trail("billing", codec=FailingCodec(make) if decoding else None)
    retry = flowtrail.Retry(attempts=2, initial_seconds=0)

    def handle(event: flowtrail.Event[Any]) -> None:
        if not decoding and event.data == "bad":
            raise make()
        handled.append(event.offset)

    def handle_batch(batch: flowtrail.Batch[Any]) -> None:
        for member in batch:
            with member as event:
                handle(event)

    if way == "batch":
        trail.consumer("orders", retry=retry, batch=10)(handle_batch)
    else:
        trail.consumer("orders", retry=retry)(handle)
    return trail


@pytest.mark.parametrize("way", ["plain", "batch", "decoding"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_to_the_dead_letters_and_the_next_is_handled(kind: str, way: str) -> None:
    handled: list[int] = []
    trail = _trail(way, lambda: KINDS[kind]("told"), handled)
    with Harness(trail) as flow:
        flow.deliver_raw("orders", b"bad" if way == "decoding" else b'"bad"', headers=[("ce_id", b"1")])
        flow.deliver_raw("orders", b'"good"', headers=[("ce_id", b"2")])
        assert flow.committed("billing", "orders") == 2
        (letter,) = flow.broker.records("orders.billing.dlq")
        failed = [span for span in flow.spans if span.status.status_code is StatusCode.ERROR]
    said = dict(letter.headers)
    assert said["dlq.error.type"] == f"{__name__}.Broken".encode()
    assert said["dlq.error.message"]
    assert b"Broken" in (said["dlq.error.stacktrace"] or b"")
    assert handled == [1]
    if way != "batch":  # the batch's span is about all of them
        assert failed
        for span in failed:
            (told,) = span.events
            assert told.name == "exception"
            assert (told.attributes or {})["exception.type"] == f"{__name__}.Broken"


@pytest.mark.parametrize("name", ["retry_on", "never_on"])
@pytest.mark.parametrize("wrong", ["ValueError", ("ValueError",), (ValueError, 7), 7, (object,)])
def test_what_is_no_class_of_exceptions_is_refused_at_once(name: str, wrong: Any) -> None:
    with pytest.raises(flowtrail.errors.ConfigurationError, match=f"Retry: {name} is .* exception"):
        flowtrail.Retry(**{name: wrong})
