"""A flow that came by other ways than Kafka."""

from __future__ import annotations

from opentelemetry.context import Context

from flowtrail._context import FLOW_KEY, CarriedFlow, FlowContext, get_current
from flowtrail._telemetry.spans import parent_in


def joined(carried: FlowContext, new_id: str) -> Context:
    """The current context in the flow that was carried.

    A span that is current already, somebody else's instrumentation made it, stays; else the carried trace goes
    on, with its baggage.

    Args:
        carried: What came.
        new_id: Names the flow, if nothing was carried.
    """
    current = get_current()
    flow = CarriedFlow(carried.correlation_id or new_id, carried.causation_id)
    if parent_in(current) is not None:
        return Context({**current, FLOW_KEY: flow})
    return Context({**current, **carried.context, FLOW_KEY: flow})
