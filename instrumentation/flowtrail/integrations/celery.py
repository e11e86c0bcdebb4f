"""Celery: a task belongs to the flow of whoever sent it.

from flowtrail.integrations.celery import carry_flow

carry_flow()  # where the Celery app is made: both the sender and the worker import it
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry import context as otel_context

from flowtrail._context import extract, inject
from flowtrail._extras import load
from flowtrail.integrations._carried import joined

__all__ = ["carry_flow"]

_HEADER = "flowtrail"
_ATTACHED = "_flowtrail_attached"


def carry_flow(*, baggage_keys: Iterable[str] = ()) -> None:
    """Let every task of this process run in the flow, and in the trace, in which it was sent.

    What a task publishes then has the sender's correlation id, and is caused by the event in whose handler the
    task was sent; tasks that a task sends follow. A task that was sent outside of any flow starts one, named
    after the first task of its chain (`root_id`). Retries stay in the flow. Calling this again changes nothing.

    Args:
        baggage_keys: Baggage entries that may travel.

    Raises:
        MissingExtraError: Celery isn't installed.
    """
    signals = load("celery.signals", "celery", "celery")
    keys = frozenset(baggage_keys)

    def send(headers: Any = None, **_: Any) -> None:
        if isinstance(headers, dict):
            carried = inject(baggage_keys=keys)
            headers[_HEADER] = {name: (value or b"").decode() for name, value in carried}

    def begin(task: Any, task_id: str, **_: Any) -> None:
        request = task.request
        if request.called_directly or request.is_eager:
            return  # it runs in its caller's context already
        carried = extract(getattr(request, _HEADER, None) or {}, baggage_keys=keys)
        context = joined(carried, getattr(request, "root_id", None) or task_id)
        setattr(request, _ATTACHED, otel_context.attach(context))

    def end(task: Any, **_: Any) -> None:
        token = task.request.__dict__.pop(_ATTACHED, None)
        if token is not None:
            otel_context.detach(token)

    for signal, receiver in (
        (signals.before_task_publish, send),
        (signals.task_prerun, begin),
        (signals.task_postrun, end),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"flowtrail-{receiver.__name__}")
