"""The queue between OTLP requests and the store.

Requests are many and small, commits are dear: one writer takes whatever waits and commits it at once. A
request is answered only after the commit that holds its spans, so a crash loses nothing that was
acknowledged; what would make the queue longer than its bound is refused, and exporters come back with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from flowtrail_collector.spans.model import Span
from flowtrail_collector.spans.ports import SpanWriter
from flowtrail_collector.wording import counted

logger = logging.getLogger("flowtrail_collector")

_BATCH_SPANS = 5_000
_PRUNE_EVERY_SECONDS = 60.0
_PRUNE_LIMIT = 5_000


class QueueFullError(Exception):
    """As many spans wait for the store as may."""


@dataclass(slots=True)
class _Waiting:
    spans: list[Span]
    stored: Future[None] = field(default_factory=Future)


class SpanQueue:
    """Bounded queue with one writer; a `Part` named `spans`.

    Args:
        store: Where the spans go.
        max_spans: How many may wait, those being written included.
        retention_seconds: Age beyond which stored spans are forgotten.
        keep_at_most: Number of stored spans beyond which the oldest are forgotten.
        note: Told of spans before they are acknowledged, those that come again included; where it fails, they
            aren't.

    Attributes:
        problem: Why spans can't be stored, None when they can.
        pending_spans: How many wait for the store.
        received_spans: How many were stored.
        refused_spans: How many were turned away because too many waited.
        rejected_spans: How many made no sense, as the receiver counts them.
    """

    name = "spans"

    def __init__(
        self,
        store: SpanWriter,
        *,
        max_spans: int = 50_000,
        retention_seconds: float = 7 * 86400.0,
        keep_at_most: int = 20_000_000,
        note: Callable[[Sequence[Span]], None] = lambda spans: None,
    ) -> None:
        self._store = store
        self._note = note
        self._max_spans = max_spans
        self._retention_seconds = retention_seconds
        self._keep_at_most = keep_at_most
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.problem: str | None = None
        self.pending_spans = 0
        self.received_spans = 0
        self.refused_spans = 0
        self.rejected_spans = 0

    def put(self, spans: list[Span]) -> Future[None]:
        """Hand spans over.

        Args:
            spans: Those of one request.

        Returns:
            Done when they are committed; carries an exception if they couldn't be.

        Raises:
            QueueFullError: Nothing was taken; try again later.
        """
        item = _Waiting(spans)
        if not spans:
            item.stored.set_result(None)
            return item.stored
        with self._changed:
            # A request bigger than the whole queue gets through when it's empty, else it never would.
            if self._closed or (self.pending_spans and self.pending_spans + len(spans) > self._max_spans):
                self.refused_spans += len(spans)
                raise QueueFullError(
                    f"the store is behind, and {counted(self.pending_spans, 'span')} already waiting"
                )
            self.pending_spans += len(spans)
            self._waiting.append(item)
            self._changed.notify()
        return item.stored

    def run(self, stop: threading.Event) -> None:
        """Write what is put in until `stop` is set; then write what is left and refuse the rest."""
        with self._changed:
            self._closed = False
        next_prune = time.monotonic() + _PRUNE_EVERY_SECONDS
        while not stop.is_set():
            batch = self._take(timeout_seconds=0.2)
            if batch:
                self._write(batch)
            if time.monotonic() >= next_prune:
                self._prune(stop)
                next_prune = time.monotonic() + _PRUNE_EVERY_SECONDS
        self._close()

    def _take(self, timeout_seconds: float) -> list[_Waiting]:
        with self._changed:
            if not self._waiting:
                self._changed.wait(timeout_seconds)
            return self._next_batch()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        spans = 0
        while self._waiting and (not batch or spans + len(self._waiting[0].spans) <= _BATCH_SPANS):
            item = self._waiting.popleft()
            spans += len(item.spans)
            batch.append(item)
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        spans = [span for item in batch for span in item.spans]
        try:
            self._note(spans)
            new = self._store.add(spans)
        except Exception as error:
            self.problem = f"spans can't be stored: {error}"
            logger.exception("%d spans couldn't be stored", len(spans))
            failure = error
            self._settle(batch, lambda stored: stored.set_exception(failure))
        else:
            self.problem = None
            self.received_spans += new
            self._settle(batch, lambda stored: stored.set_result(None))

    def _settle(self, batch: list[_Waiting], settle: Callable[[Future[None]], None]) -> None:
        with self._changed:
            self.pending_spans -= sum(len(item.spans) for item in batch)
        for item in batch:
            # A request whose client went away has cancelled its future.
            if item.stored.set_running_or_notify_cancel():
                settle(item.stored)

    def _prune(self, stop: threading.Event) -> None:
        gone = _PRUNE_LIMIT
        while gone >= _PRUNE_LIMIT and not stop.is_set() and not self._waiting:
            gone = self._store.prune(
                older_than_seconds=self._retention_seconds,
                keep_at_most=self._keep_at_most,
                limit=_PRUNE_LIMIT,
            )

    def _close(self) -> None:
        with self._changed:
            self._closed = True
        while batch := self._next_batch():
            self._write(batch)
