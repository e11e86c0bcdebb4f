"""Correlation and trace ids on whatever is logged in a handler."""

from __future__ import annotations

import io
import logging
import logging.handlers
import pickle
import queue
from typing import Any

import pytest
import structlog

from flowtrail._logging import CorrelationFilter, add_flow_context
from instrumentation.support import Lab, header, record

FLOW = [("ce_id", b"e1"), ("ce_correlationid", b"flow")]


def _logger(form: str) -> tuple[logging.Logger, io.StringIO]:
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(logging.Formatter(form))
    handler.addFilter(CorrelationFilter())
    logger = logging.getLogger(f"test.{id(sink)}")
    logger.propagate = False
    logger.addHandler(handler)
    return logger, sink


def test_the_filter_adds_the_flow_inside_a_handler_and_nothing_outside() -> None:
    logger, sink = _logger("%(correlation_id)s %(causation_id)s %(trace_id)s %(message)s")
    lab = Lab()
    logger.warning("outside")
    with lab.telemetry.processing(record(FLOW)) as processing:
        logger.warning("inside")
        trace_id = header(lab.telemetry.sending("t").headers, "traceparent").split("-")[1]  # type: ignore[union-attr]
    assert processing.event_id == "e1"
    assert sink.getvalue().splitlines() == ["None None None outside", f"flow e1 {trace_id} inside"]


def test_our_own_lines_keep_their_fields() -> None:
    logger, sink = _logger("%(correlation_id)s %(message)s")
    for name in ("flowtrail.publish",):
        ours = logging.getLogger(name)
        ours.addHandler(logger.handlers[0])
        ours.setLevel(logging.INFO)
    try:
        sending = Lab().telemetry.sending("orders")
        sending.done()
    finally:
        ours.removeHandler(logger.handlers[0])
        ours.setLevel(logging.NOTSET)
    assert sink.getvalue().startswith(f"{sending.correlation_id} publish topic=orders")


def test_structlog() -> None:
    lab = Lab()
    log = structlog.wrap_logger(
        structlog.testing.ReturnLogger(),
        processors=[add_flow_context, structlog.processors.KeyValueRenderer()],
    )
    assert log.info("x") == "event='x'"
    with lab.telemetry.processing(record(FLOW)):
        line: Any = log.info("x")
    assert "correlation_id='flow'" in line
    assert "causation_id='e1'" in line
    assert "span_id='" in line


@pytest.fixture
def published() -> Any:
    """One log record of a publication, which nobody has looked at."""
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, line: logging.LogRecord) -> None:
            seen.append(line)

    logger = logging.getLogger("flowtrail.publish")
    handler = Keep()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    Lab().telemetry.sending("100%s", type="T").done(1, 2)
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    return seen[0]


def test_records_survive_a_queue_and_a_socket(published: Any) -> None:
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    logging.handlers.QueueHandler(waiting).handle(published)
    once = waiting.get().getMessage()
    assert once.startswith("publish topic=100%s partition=1 offset=2 type=T")
    assert pickle.loads(pickle.dumps(published)).getMessage() == once


def test_records_have_every_field_that_a_formatter_may_ask_for(published: Any) -> None:
    plain = logging.LogRecord("n", logging.INFO, "p", 1, "m", None, None)
    assert set(vars(plain)) <= set(vars(published))
    assert published.threadName == "MainThread"
    assert published.levelname == "INFO"
    with pytest.raises(AttributeError):
        published.no_such_field  # noqa: B018
    assert "payload" not in vars(published)
    assert not [name for name in vars(published) if name.startswith("_")]


class _Keeping(logging.Handler):
    """Keeps what it emits; its subclasses have ways of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []
        self.steps: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


class _OwnHandle(_Keeping):
    def handle(self, record: logging.LogRecord) -> bool:
        self.steps.append("handle")
        return bool(super().handle(record))


class _OwnFilter(_Keeping):
    def filter(self, record: logging.LogRecord) -> bool:
        self.steps.append("filter")
        return False


class _OwnLock(_Keeping):
    def acquire(self) -> None:
        self.steps.append("acquire")
        super().acquire()


class _NoLock(_Keeping):
    def createLock(self) -> None:
        self.lock = None


@pytest.mark.parametrize("filtered", [False, True], ids=["", "with a filter"])
@pytest.mark.parametrize("kind", [_Keeping, _OwnHandle, _OwnFilter, _OwnLock, _NoLock])
def test_handlers_get_records_as_logging_hands_them_over(kind: type[_Keeping], filtered: bool) -> None:
    ours, theirs = kind(), kind()
    for handler in (ours, theirs):
        if filtered:
            handler.addFilter(lambda record: record.levelno > logging.ERROR)
    logger = logging.getLogger("flowtrail.publish")
    logger.addHandler(ours)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        Lab().telemetry.sending("orders", type="T").done(1, 2)
        logger.setLevel(logging.WARNING)
        Lab().telemetry.sending("quiet", type="T").done(1, 2)
    finally:
        logger.removeHandler(ours)
        logger.setLevel(before)
    theirs.handle(logging.makeLogRecord({"levelno": logging.INFO, "msg": "publish topic=orders"}))
    assert ours.steps == theirs.steps
    assert [text.split()[1] for text in ours.kept] == [text.split()[1] for text in theirs.kept]
    assert kind is _OwnFilter or bool(ours.kept) is not filtered
