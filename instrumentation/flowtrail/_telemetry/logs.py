"""One log record per publication and per consumption, and failures of our own.

The records are `logging.LogRecord`s that fill themselves when somebody looks: handlers that drop a record, or
only compare its level, don't pay for what a formatter would need. Every field is an attribute of the record,
for formatters that write JSON, and part of the message, for those that write text.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from threading import get_ident
from typing import Any, Protocol

PUBLISH = logging.getLogger("flowtrail.publish")
CONSUME = logging.getLogger("flowtrail.consume")
INTERNAL = logging.getLogger("flowtrail")

# What `isEnabledFor` has found, by level; logging empties these when a level changes. Looked at first, because
# the method costs more than the look.
PUBLISH_LEVELS: dict[int, bool] = getattr(PUBLISH, "_cache", {})
CONSUME_LEVELS: dict[int, bool] = getattr(CONSUME, "_cache", {})

RAISE_VARIABLE = "FLOWTRAIL_RAISE_INTERNAL_ERRORS"

PUBLISH_TEXT = (
    "publish topic=%(topic)s partition=%(partition)s offset=%(offset)s type=%(event_type)s id=%(event_id)s "
    "correlation_id=%(correlation_id)s causation_id=%(causation_id)s outcome=%(outcome)s "
    "duration_ms=%(duration_ms).3f"
)
CONSUME_TEXT = (
    "consume topic=%(topic)s partition=%(partition)s offset=%(offset)s group=%(group)s type=%(event_type)s "
    "id=%(event_id)s correlation_id=%(correlation_id)s causation_id=%(causation_id)s attempt=%(attempt)s "
    "outcome=%(outcome)s duration_ms=%(duration_ms).3f"
)
_WHY = " error=%(error)r"  # quoted, without line breaks
_TEXTS = (PUBLISH_TEXT, CONSUME_TEXT, PUBLISH_TEXT + _WHY, CONSUME_TEXT + _WHY)

_reported: set[str] = set()
_first = logging.makeLogRecord({})
_PROGRAM_START = _first.created - _first.relativeCreated / 1000
_templates: dict[tuple[str, int], dict[str, Any]] = {}
_plain: dict[type, bool] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_templates.clear)


class Reportable(Protocol):
    """A publication or a handling that has ended."""

    def log_fields(self) -> dict[str, Any]:
        """What the log record says about it."""
        ...


class MessageRecord(logging.LogRecord):
    """A log record that fills itself, with a message made of its own attributes."""

    # `report` makes it without a constructor: logging's own does the work that this class puts off.
    levelno = logging.INFO
    _now_ns: int
    _thread: int
    _of: Reportable

    def __getattr__(self, attribute: str) -> Any:
        own = _own_dict(self)
        if "_of" not in own:
            raise AttributeError(attribute)
        self._fill(own)
        return getattr(self, attribute)

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        own = _own_dict(self)
        if "_of" in own:
            self._fill(own)
        return own

    def _fill(self, own: dict[str, Any]) -> None:
        of: Reportable = own.pop("_of")
        thread, now_ns = own.pop("_thread"), own.pop("_now_ns")
        set_by_others = dict(own)
        fields = of.log_fields()
        text = _text(self.name, fields)
        own.update(_templates.get((text, self.levelno)) or _template(self.name, text, self.levelno))
        created = now_ns / 1e9
        own.update(fields)
        own.update(
            created=created,
            msecs=now_ns // 1_000_000 % 1000 + 0.0,
            relativeCreated=(created - _PROGRAM_START) * 1000,
            thread=thread,
            threadName=_thread_name(thread),
        )
        own.update(set_by_others)

    def getMessage(self) -> str:
        """The line; once a queue handler has put the finished line into `msg`, that."""
        if self.msg in _TEXTS:
            return str(self.msg % self.__dict__)
        return super().getMessage()

    def __reduce__(self) -> Any:
        return logging.makeLogRecord, ({**self.__dict__, "msg": self.getMessage(), "args": None},)


class PublishRecord(MessageRecord):
    """The end of a publication."""

    name = PUBLISH.name


class ConsumeRecord(MessageRecord):
    """The end of a handling."""

    name = CONSUME.name


_new_record: Any = MessageRecord.__new__
_own_dict: Any = logging.LogRecord.__dict__["__dict__"].__get__
_factory = logging.getLogRecordFactory


def report(logger: logging.Logger, level: int, now_ns: int, of: Reportable) -> None:
    """Log the end of a publication or a handling; called only if the logger is enabled for the level.

    Args:
        logger: `PUBLISH` or `CONSUME`.
        level: Level of the record.
        now_ns: Nanoseconds since the epoch.
        of: What has ended; it must not change any more.
    """
    if _factory() is not logging.LogRecord:
        # The program makes its own kind of record; it gets them.
        fields = of.log_fields()
        logger.log(level, _text(logger.name, fields), fields, extra=fields)
        return
    kind = PublishRecord if logger is PUBLISH else ConsumeRecord
    record: MessageRecord = _new_record(kind)
    if level != logging.INFO:
        record.levelno = level
    record._now_ns = now_ns
    record._thread = get_ident()
    record._of = of
    if logger.filters or logger.disabled:
        logger.handle(record)
        return
    # What Logger.handle and Handler.handle do next, without their detours.
    handled = False
    at: logging.Logger | None = logger
    while at is not None:
        for handler in at.handlers:
            handled = True
            if level < handler.level:
                continue
            plain = _plain.get(type(handler))
            if plain is None:
                plain = _is_plain(type(handler))
            lock = handler.lock
            if plain and lock is not None and not handler.filters:
                lock.acquire()  # half the price of `with`
                try:
                    handler.emit(record)
                finally:
                    lock.release()
            else:
                handler.handle(record)
        at = at.parent if at.propagate else None
    if not handled:
        logger.handle(record)  # logging's last resort


def _text(name: str, fields: Mapping[str, Any]) -> str:
    plain, failed = _TEXTS[:2], _TEXTS[2:]
    return (failed if fields["error"] else plain)[name != PUBLISH.name]


def _is_plain(kind: type[logging.Handler]) -> bool:
    """Whether handlers of a class lock, filter and emit as logging's own do."""
    names = ("handle", "filter", "acquire", "release")
    plain = _plain[kind] = all(getattr(kind, name) is getattr(logging.Handler, name) for name in names)
    return plain


def _thread_name(ident: int) -> str | None:
    current = threading.current_thread()
    if current.ident == ident:
        return current.name
    return next((thread.name for thread in threading.enumerate() if thread.ident == ident), None)


def _template(name: str, text: str, level: int) -> dict[str, Any]:
    record = logging.LogRecord(name, level, __file__, 0, text, None, None, func="flowtrail")
    template = _templates[text, level] = dict(vars(record))
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
        INTERNAL.error(
            "flowtrail failed in %s; the application is not affected: %r", where, error, exc_info=error
        )
