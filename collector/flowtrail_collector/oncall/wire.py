"""Puts together what people on call are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowtrail_collector.conditions import Condition
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.oncall.ports import Keeper, Lately
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.oncall.watch import Watch
from flowtrail_collector.oncall.web import oncall_routes
from flowtrail_collector.runtime.slices import Wired

__all__ = ["OnCallParts", "wire"]


@dataclass(frozen=True, slots=True)
class OnCallParts:
    """What people on call are told, put together.

    Attributes:
        oncall: Tells it.
        wired: The part that watches, and the route. Each worker watches, so that each can tell.
    """

    oncall: OnCall
    wired: Wired


def wire(
    lag: LagView, store: Lately, conditions: Callable[[], Mapping[str, Condition]], keeper: Keeper
) -> OnCallParts:
    """Put it together.

    Args:
        lag: How consumer groups are.
        store: What the store knows.
        conditions: How each part of the collector is.
        keeper: Keeps what is wrong for the next start.
    """
    watch = Watch(lag, store, conditions)
    oncall = OnCall(watch, lag, store, lag.progress, keeper=keeper)
    return OnCallParts(oncall, Wired(parts=[oncall], routes=oncall_routes(oncall)))
