"""What `flowtrail top` shows, as the collector tells it at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import Failure
from flowtrail_collector.conditions import PartState, condition_words
from flowtrail_collector.lag.outages import trouble_lines

__all__ = ["Figures", "read_figures"]

_NO_LAG: dict[str, Any] = {"groups": [], "left_out": 0, "failures": [], "unread": {}}


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at a collector; everything is as the API answers it.

    Attributes:
        url: The collector's.
        at: When it was asked.
        status: Of the collector itself.
        flows: With their instances by outcome.
        stuck: The instances that need attention first.
        groups: Consumer groups, the worst first.
        groups_left_out: How many more there are.
        causes: Pending dead letters by cause, the newest first.
        failures: What can't be read of brokers.
        unread: How many groups of which broker can't be read, and since when.
        refused: What couldn't be told, by its name: why.
    """

    url: str
    at: datetime
    status: dict[str, Any]
    flows: list[dict[str, Any]]
    stuck: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    groups_left_out: int
    causes: list[dict[str, Any]]
    failures: list[dict[str, Any]] = field(default_factory=list)
    unread: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What is wrong, a line for each: a broker that doesn't answer is one, whatever fails because of it."""
        parts = self.status["parts"]
        failing = {part: each["reason"] for part, each in parts.items() if each["state"] == PartState.FAILING}
        starting = [
            condition_words(part, each["state"], each["reason"])
            for part, each in parts.items()
            if each["state"] == PartState.STARTING
        ]
        lines = trouble_lines(failing, self.failures, self.unread)
        return [*lines, *starting, *(f"{name}: {said}" for name, said in self.refused.items())]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "at": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "status": self.status,
            "flows": self.flows,
            "stuck": self.stuck,
            "groups": self.groups,
            "groups_left_out": self.groups_left_out,
            "causes": self.causes,
            "failures": self.failures,
            "unread": self.unread,
            "refused": self.refused,
        }


def read_figures(client: CollectorClient, limit: int) -> Figures:
    """Ask a collector for all of it.

    Args:
        client: The collector.
        limit: How many rows of each kind at most.

    Raises:
        Failure: It doesn't answer, or refuses to say even how it is.
    """
    status = client.get("/api/v1/status")
    refused: dict[str, str] = {}

    def told(name: str, path: str, otherwise: dict[str, Any], **query: Any) -> dict[str, Any]:
        # A part that hasn't begun yet, or has no flow file to go by, takes nothing else from the screen.
        try:
            return {**otherwise, **client.get(path, query)}
        except Failure as failure:
            if name not in status["problems"]:
                refused[name] = failure.message
            return otherwise

    lag = told("lag", "/api/v1/lag", _NO_LAG, limit=limit)
    flows = told("flows", "/api/v1/flows", {"flows": []})["flows"]
    stuck = told("sagas", "/api/v1/sagas", {"sagas": []}, stuck="true", limit=limit)["sagas"] if flows else []
    causes = told("dead letters", "/api/v1/dead-letters/causes", {"causes": []}, state="pending", limit=limit)
    return Figures(
        client.url,
        datetime.now(UTC),
        status,
        flows,
        stuck,
        lag["groups"],
        lag["left_out"],
        causes["causes"],
        lag["failures"],
        lag["unread"],
        refused,
    )
