"""Which of an SDK's span processors want to know that a span starts: those that export don't."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

_SILENT = {kind.on_start for kind in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)}
"""What these do is nothing, and what they are told costs a context."""


class Listeners:
    """The processors of one tracer.

    Args:
        processor: The tracer's; the SDK's own hands on to others, of which more may come.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor
        self._seen: Any = None
        self._heard = True

    def at_start(self) -> bool:
        """Whether one of them has to be told of a span's start."""
        behind = getattr(self._processor, "_span_processors", None)
        if behind is None:
            return True
        if behind is not self._seen:  # a tuple, another one when a processor comes
            self._heard = not isinstance(behind, tuple) or any(map(_listens, behind))
            self._seen = behind
        return self._heard


def _listens(processor: SpanProcessor) -> bool:
    return "on_start" in getattr(processor, "__dict__", ()) or type(processor).on_start not in _SILENT
