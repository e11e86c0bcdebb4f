"""The publications of one handling: its offset is committed once all of them are acknowledged."""

from __future__ import annotations

import threading
from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from flowtrail import _fork

_KEY = otel_context.create_key("flowtrail-publications")


def _forked() -> None:
    """A child forked in a handler has left it: nobody there waits for what it publishes."""
    global _KEY  # noqa: PLW0603 - what contexts hold under the old one is the parent's
    _KEY = otel_context.create_key("flowtrail-publications")


_fork.always_in_child(_forked)


class Scope:
    """Counts publications that are under way.

    It travels in OpenTelemetry's context, so that what a handler publishes from a task or, with
    `capture`/`restore`, from a thread is waited for too, as long as the handler hasn't returned yet.

    Attributes:
        error: The first publication error, None while there is none.
        retriable: Whether that error may go away by itself.
    """

    __slots__ = ("_changed", "_open", "_pending", "error", "retriable")

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._open = True
        self._pending = 0
        self.error: BaseException | None = None
        self.retriable = False

    def begin(self) -> bool:
        """A publication starts; False if the handler is over, so that nobody would wait for it."""
        with self._changed:
            if not self._open:
                return False
            self._pending += 1
            return True

    def end(self, error: BaseException | None = None, *, retriable: bool = False) -> None:
        """A publication was acknowledged, or failed; from any thread."""
        with self._changed:
            self._pending -= 1
            if error is not None and self.error is None:
                self.error = error
                self.retriable = retriable
            if not self._pending:
                self._changed.notify_all()

    def close(self) -> None:
        """The handler is over."""
        self._open = False

    @property
    def settled(self) -> bool:
        """Whether every publication has ended."""
        return not self._pending

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until every publication has ended; False if it took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout_seconds)


def current_scope() -> Scope | None:
    """The scope of the handler that is running, None outside one."""
    return otel_context.get_current().get(_KEY)  # type: ignore[return-value]


def enter_scope(scope: Scope) -> Token[Context]:
    """Make a scope current; whoever restores the context before leaves it, with the token or without."""
    return otel_context.attach(Context({**otel_context.get_current(), _KEY: scope}))
