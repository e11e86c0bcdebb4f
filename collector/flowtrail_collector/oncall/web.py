"""`/api/v1/oncall`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.conditions import conditions_json
from flowtrail_collector.oncall.model import MOST, SPAN_MS, Change
from flowtrail_collector.oncall.service import OnCall, Report
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import int_param, json_response

__all__ = ["oncall_routes", "report_json"]


def oncall_routes(oncall: OnCall) -> list[BaseRoute]:
    """The route that tells what changed."""

    def changes(request: Request) -> Response:
        """What went wrong within the last 30 minutes, what affects the most orders first, each with where to look next.

        Query: limit.
        """
        return json_response(report_json(oncall.report(int_param(request, "limit", MOST, MOST))))

    return [Route("/api/v1/oncall", changes, methods=["GET"])]


def report_json(report: Report) -> dict[str, Any]:
    """What changed, and what was looked at."""
    return {
        "at": iso_time_ms(report.at_ms),
        "since": iso_time_ms(report.at_ms - SPAN_MS),
        "watched_since": iso_time_ms(report.watched_ms),
        "changes": [_change_json(change) for change in report.changes],
        "left_out": report.left_out,
        "starting": conditions_json(report.starting),
        "lasting": report.lasting,
        "checked": {"groups": report.groups, "flows": report.flows, "topics": report.topics},
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.value,
        "name": list(change.name),
        "text": change.text,
        "touched": change.touched,
        "of": change.of,
        "since": iso_time_ms(change.since_ms),
        "ended": iso_time_ms(change.ended_ms),
        "page": change.next.page,
        "command": change.next.command or None,
        "trail": change.trail,
        "about": dict(change.about),
    }
