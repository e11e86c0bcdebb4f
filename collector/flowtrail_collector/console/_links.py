"""Where else things can be looked at: a trace in Jaeger, the time of a trail or a figure in Grafana."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

_AROUND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Links:
    """Where else things can be looked at. Empty: no link.

    Attributes:
        trace: A trace, usually in Jaeger; `{trace_id}` is filled in.
        grafana: A dashboard; `{from}` and `{to}` (milliseconds since the epoch), `{trace_id}` and `{id}` (what
            was asked for) are filled in.
        dashboards: A Grafana that has flowtrail's dashboards.
    """

    trace: str = ""
    grafana: str = ""
    dashboards: str = ""

    def of(self, trace_id: str) -> str | None:
        """The address of a trace elsewhere."""
        return self.trace.replace("{trace_id}", quote(trace_id, safe="")) if self.trace else None

    def of_dashboard(self, name: str, window: str, variables: Mapping[str, str | None]) -> str | None:
        """The address of one of flowtrail's dashboards.

        Args:
            name: Its uid behind `flowtrail-`.
            window: Up to the present: `6h`.
            variables: Values of its variables, without those that are None.
        """
        if not self.dashboards:
            return None
        chosen = {f"var-{variable}": value for variable, value in variables.items() if value is not None}
        query = urlencode({"from": f"now-{window}", "to": "now", **chosen})
        return f"{self.dashboards.rstrip('/')}/d/flowtrail-{name}?{query}"

    def of_trail(self, wanted: str, trail: Mapping[str, Any]) -> str | None:
        """The address of a dashboard about the time of a trail, with some time around it."""
        if not self.grafana:
            return None
        start, end = (datetime.fromisoformat(trail[name]).timestamp() for name in ("start", "end"))
        values = {
            "from": str(int((start - _AROUND_SECONDS) * 1000)),
            "to": str(int((end + _AROUND_SECONDS) * 1000)),
            "trace_id": next(iter(trail["trace_ids"]), ""),
            "id": wanted,
        }
        address = self.grafana
        for name, value in values.items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        return address
