"""Correlation and trace ids on every log record."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from flowtrail._context import flow_in


def _ids() -> dict[str, str | None]:
    context = otel_context.get_current()
    flow = flow_in(context)
    span_context = trace.get_current_span(context).get_span_context()
    valid = span_context.is_valid
    return {
        "correlation_id": flow.correlation_id if flow is not None else None,
        "causation_id": flow.causation_id if flow is not None else None,
        "trace_id": f"{span_context.trace_id:032x}" if valid else None,
        "span_id": f"{span_context.span_id:016x}" if valid else None,
    }


class CorrelationFilter(logging.Filter):
    """Puts `correlation_id`, `causation_id`, `trace_id` and `span_id` on each record; lets every record pass.

    Add it to a handler, so that it also sees what libraries log. Fields that a record already has stay.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; None where there is no flow or no trace."""
        fields = record.__dict__
        for name, value in _ids().items():
            fields.setdefault(name, value)
        return True


def add_flow_context(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor that adds the same fields, leaving out those that are unknown."""
    for name, value in _ids().items():
        if value is not None:
            event_dict.setdefault(name, value)
    return event_dict
