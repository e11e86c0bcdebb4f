"""Where else things can be looked at: a trace in Jaeger, the time of a trail in Grafana."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

_AROUND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Links:
    """Where else things can be looked at. Empty: no link.

    Attributes:
        trace: A trace, usually in Jaeger; `{trace_id}` is filled in.
        grafana: A dashboard; `{from}` and `{to}` (milliseconds since the epoch), `{trace_id}` and `{id}` (what
            was asked for) are filled in.
    """

    trace: str = ""
    grafana: str = ""

    def of(self, trace_id: str) -> str | None:
        """The address of a trace elsewhere."""
        return self.trace.replace("{trace_id}", quote(trace_id, safe="")) if self.trace else None

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
