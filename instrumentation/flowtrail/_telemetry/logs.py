"""One log record per publication and per consumption, and failures of our own.

The records are ordinary `logging.LogRecord`s, filled in one step instead of by their constructor, which would
look up for each message what is the same for all. Every field is an attribute of the record, for
formatters that write JSON, and part of the message, for those that write text.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

PUBLISH = logging.getLogger("flowtrail.publish")
CONSUME = logging.getLogger("flowtrail.consume")
INTERNAL = logging.getLogger("flowtrail")

RAISE_VARIABLE = "FLOWTRAIL_RAISE_INTERNAL_ERRORS"

_PUBLISH_TEXT = (
    "publish topic=%(topic)s partition=%(partition)s offset=%(offset)s type=%(event_type)s id=%(event_id)s "
    "correlation_id=%(correlation_id)s causation_id=%(causation_id)s outcome=%(outcome)s "
    "duration_ms=%(duration_ms).3f"
)
_CONSUME_TEXT = (
    "consume topic=%(topic)s partition=%(partition)s offset=%(offset)s group=%(group)s type=%(event_type)s "
    "id=%(event_id)s correlation_id=%(correlation_id)s causation_id=%(causation_id)s attempt=%(attempt)s "
    "outcome=%(outcome)s duration_ms=%(duration_ms).3f"
)
_reported: set[str] = set()
_START = logging.makeLogRecord({}).created - logging.makeLogRecord({}).relativeCreated / 1000
_templates: dict[tuple[str, int], dict[str, Any]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_templates.clear)


def log_publish(level: int, fields: dict[str, Any], now_ns: int) -> None:
    """A publication ended; called only if `PUBLISH` is enabled for the level."""
    _log(PUBLISH, level, _PUBLISH_TEXT, fields, now_ns)


def log_consume(level: int, fields: dict[str, Any], now_ns: int) -> None:
    """A handling ended; called only if `CONSUME` is enabled for the level."""
    _log(CONSUME, level, _CONSUME_TEXT, fields, now_ns)


def _log(logger: logging.Logger, level: int, text: str, fields: dict[str, Any], now_ns: int) -> None:
    if logging.getLogRecordFactory() is not logging.LogRecord:
        # The program makes its own kind of record; it gets them.
        logger.log(level, text, fields, extra=fields)
        return
    template = _templates.get((text, level)) or _template(logger, text, level)
    created = now_ns / 1e9
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = {
        **template,
        **fields,
        "args": fields,
        "created": created,
        "msecs": now_ns // 1_000_000 % 1000 + 0.0,
        "relativeCreated": (created - _START) * 1000,
        "thread": threading.get_ident(),
        "threadName": threading.current_thread().name,
    }
    logger.handle(record)


def _template(logger: logging.Logger, text: str, level: int) -> dict[str, Any]:
    record = logging.LogRecord(logger.name, level, __file__, 0, text, None, None, func="flowtrail")
    template = _templates[text, level] = dict(record.__dict__)
    return template


def log_internal_error(where: str, error: BaseException) -> None:
    """Report a failure of the instrumentation, once per place.

    Raises:
        BaseException: The error itself, where `FLOWTRAIL_RAISE_INTERNAL_ERRORS` is set (in tests).
    """
    if os.environ.get(RAISE_VARIABLE):
        raise error
    if where not in _reported:
        _reported.add(where)
        INTERNAL.error("flowtrail failed in %s; the application goes on: %r", where, error, exc_info=error)
