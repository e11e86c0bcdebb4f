"""The collector's figures against what was ordered."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from prometheus_client.parser import text_string_to_metric_families

FLOW = "order-fulfilment"
OUTCOMES = ("completed", "compensated", "failed", "timed_out")


@dataclass(frozen=True, slots=True)
class Tally:
    """How the sagas stand, by the collector's metrics.

    Attributes:
        started: Instances that started.
        open: Instances that have not ended.
        ended: Instances that ended, by outcome.
    """

    started: int = 0
    open: int = 0
    ended: Mapping[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """Instances that ended."""
        return sum(self.ended.values())

    def mismatches(self, ordered: int, expected: Mapping[str, int]) -> list[str]:
        """What differs from what was ordered, one line each; empty if nothing does."""
        lines = []
        if self.started != ordered:
            lines.append(f"ordered {ordered}, but the collector saw {self.started} flows start")
        if self.settled + self.open != ordered:
            lines.append(f"ordered {ordered}, but {self.settled} ended + {self.open} open")
        if self.open:
            lines.append("1 flow is still open" if self.open == 1 else f"{self.open} flows are still open")
        for outcome in OUTCOMES:
            got, wanted = self.ended.get(outcome, 0), expected.get(outcome, 0)
            if got != wanted:
                lines.append(f"{outcome}: {got}, expected {wanted}")
        return lines


def read_tally(metrics: str, flow: str = FLOW) -> Tally:
    """Read the figures of one flow out of a `/metrics` page."""
    started = open_ = 0
    ended: dict[str, int] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.labels.get("flow") != flow:
                continue
            if sample.name == "flowtrail_saga_started_total":
                started = int(sample.value)
            elif sample.name == "flowtrail_saga_open_instances":
                open_ = int(sample.value)
            elif sample.name == "flowtrail_saga_ended_total":
                ended[sample.labels["outcome"]] = int(sample.value)
    return Tally(started, open_, ended)


class Watcher:
    """Reads the collector.

    Args:
        collector_url: Of the collector.
    """

    def __init__(self, collector_url: str) -> None:
        self._client = httpx.Client(base_url=collector_url, timeout=10.0, trust_env=False)

    def tally(self) -> Tally:
        """The figures now; empty ones if the collector doesn't answer."""
        try:
            answer = self._client.get("/metrics")
            return read_tally(answer.text) if answer.status_code == 200 else Tally()
        except httpx.HTTPError:
            return Tally()

    def dead_letters(self) -> int:
        """How many dead letters the collector knows."""
        rows = self._get("/api/v1/dead-letters").get("dead_letters")
        return len(rows) if isinstance(rows, list) else 0

    def all_caught_up(self, services: Container[str], namespace: str) -> bool:
        """Whether the collector has seen the groups of services at the end of what they read."""
        groups = self._get(f"/api/v1/lag?{urlencode({'name': namespace})}").get("groups")
        ours = [group for group in groups or () if group["group"].rpartition(".")[2] in services]
        return bool(ours) and all((group["status"], group["lag"]) == ("ok", 0) for group in ours)

    def services_of(self, order_id: str) -> set[str]:
        """The services in an order's trail; empty if it isn't there."""
        trail = self._get(f"/api/v1/trails/{order_id}").get("trail")
        services = trail.get("services") if isinstance(trail, dict) else None
        return set(services) if isinstance(services, list) else set()

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._client.get(path)
            data = answer.json() if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
