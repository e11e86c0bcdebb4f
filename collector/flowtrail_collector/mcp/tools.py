"""The questions that can be asked, answered from the collector's API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel

from flowtrail_collector.mcp.arguments import (
    ById,
    GroupLag,
    LetterFilters,
    ListCauses,
    ListChanges,
    ListLetters,
    ListStuck,
    ListStuckCauses,
    Nothing,
    PlanRedrive,
    StartRedrive,
)
from flowtrail_collector.mcp.ports import Caller, Collector, RefusedError
from flowtrail_collector.mcp.results import (
    Flows,
    Groups,
    Letters,
    Plan,
    Redrive,
    Result,
    StuckList,
    TrailFound,
    WhyStuck,
)
from flowtrail_collector.mcp.shaping import begin_so, flows_of, letters_of, stuck_of, trail_found, why_stuck
from flowtrail_collector.mcp.trouble import Causes, Changes, StuckCauses

__all__ = ["TOOLS", "Tool", "Tools"]

_LETTERS = "/api/v1/dead-letters"
_MOST_GROUPS = 5
_NOBODY_MAY = (
    "a redrive needs the collector's write token: set FLOWTRAIL_WRITE_TOKEN or --write-token-file for"
    " `flowtrail mcp`, over HTTP send it in the header Flowtrail-Write-Token; plan_redrive needs none"
)
_ACTOR_PART = 18


class Tools:
    """Answers each question with as few requests as it takes.

    Args:
        collector: Who knows.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def find_trail(self, asked: ById, caller: Caller) -> TrailFound:
        """Find what happened to an order or flow by its id; an unknown id is looked for as the beginning of others."""
        try:
            return trail_found(self._trail(asked.id))
        except RefusedError as error:
            if not error.not_found:
                raise
            near = begin_so(self._collector.get("/api/v1/search", {"prefix": asked.id, "limit": 20}))
            if not near.begin_so:
                raise
            return near

    def why_stuck(self, asked: ById, caller: Caller) -> WhyStuck:
        """Say why an order or flow is stuck: the late step, the group that should do it, its lag, its dead letters."""
        found = self._trail(asked.id)
        letters = self._collector.get(_LETTERS, {"id": asked.id, "state": "pending", "limit": 10})
        owners = [step["by"] for step in found.get("trail", {}).get("missing", ()) if step["by"]]
        return why_stuck(asked.id, found, self._groups(owners), letters["dead_letters"])

    def list_stuck(self, asked: ListStuck, caller: Caller) -> StuckList:
        """List the instances past a step's deadline, those that need attention first, each with its reason."""
        return stuck_of(self._collector.get("/api/v1/sagas", {**asked.model_dump(), "stuck": "true"}))

    def stuck_causes(self, asked: ListStuckCauses, caller: Caller) -> StuckCauses:
        """Say why instances are stuck, by cause: how many, since when, the trend, and one example."""
        return StuckCauses.model_validate(self._collector.get("/api/v1/sagas/causes", asked.model_dump()))

    def on_call(self, asked: ListChanges, caller: Caller) -> Changes:
        """Show what went wrong within the last 30 minutes, what affects the most orders first."""
        return Changes.model_validate(self._collector.get("/api/v1/oncall", asked.model_dump()))

    def group_lag(self, asked: GroupLag, caller: Caller) -> Groups:
        """Say how far consumer groups are behind in messages and seconds, those that need attention first."""
        params = {"limit": asked.limit} if asked.group is None else {"group": asked.group}
        return Groups.model_validate(self._collector.get("/api/v1/lag", params))

    def dead_letters(self, asked: ListLetters, caller: Caller) -> Letters:
        """List dead letters, the newest first: what failed, where, and why. Payloads are never shown."""
        params = {**asked.filters(), "state": asked.state, "limit": asked.limit}
        return letters_of(self._collector.get(_LETTERS, params))

    def dead_letter_causes(self, asked: ListCauses, caller: Caller) -> Causes:
        """List pending dead letters by cause: how many, since when, the trend, and one example."""
        params = {**asked.filters(), "limit": asked.limit}
        return Causes.model_validate(self._collector.get(f"{_LETTERS}/causes", params))

    def flows(self, asked: Nothing, caller: Caller) -> Flows:
        """List the flows that are followed, with their steps and how many instances are in which state."""
        return flows_of(self._collector.get("/api/v1/flows"))

    def plan_redrive(self, asked: PlanRedrive, caller: Caller) -> Plan:
        """Count what sending dead letters back would do. Changes nothing, and needs no write token."""
        plan = Plan.model_validate(self._collector.get(f"{_LETTERS}/survey", _selected(asked)))
        if not plan.total:
            return plan
        return plan.model_copy(
            update={"next": ["redrive takes the same filters with expected_total, as_of and asked_by."]}
        )

    def redrive(self, asked: StartRedrive, caller: Caller) -> Redrive:
        """Send dead letters back to their topics, after a person agreed to the plan. Needs the write token."""
        if not caller.write_token:
            raise RefusedError(_NOBODY_MAY)
        agreed = asked.model_dump(include={"expected_total", "as_of"}, exclude_none=True)
        body = {**_selected(asked), **agreed, "by": actor(asked.asked_by, caller)}
        started = self._collector.post(f"{_LETTERS}/redrive", body, caller.write_token)
        return Redrive.model_validate(started)

    def _trail(self, wanted: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._collector.get(f"/api/v1/trails/{quote(wanted, safe='')}")
        return found

    def _groups(self, names: Iterable[str]) -> list[Mapping[str, Any]]:
        """These groups, as far as their lag is known."""
        found: list[Mapping[str, Any]] = []
        for name in list(dict.fromkeys(names))[:_MOST_GROUPS]:
            try:
                found += self._collector.get("/api/v1/lag", {"group": name})["groups"]
            except RefusedError:
                continue  # nobody has to have a group, nor lag to be collected yet: the trail says all the same
        return found


def actor(asked_by: str, caller: Caller) -> str:
    """Who asked, for the audit: first what is known, last what was claimed."""
    known = f"mcp {caller.where[:_ACTOR_PART]} {caller.client[:_ACTOR_PART]}"
    return f"{known} for {asked_by}"


def _selected(asked: PlanRedrive) -> dict[str, Any]:
    filters = asked.filters()
    if not filters:
        names = ", ".join(LetterFilters.model_fields)
        raise RefusedError(
            f"that would select every dead letter: narrow it down with at least one of {names}"
        )
    return filters if asked.to is None else {**filters, "to": asked.to}


class Tool(NamedTuple):
    """A question: what it takes, what it answers, and whether it changes anything."""

    title: str
    takes: type[BaseModel]
    answers: type[Result]
    ask: Callable[[Tools, Any, Caller], Result]
    writes: bool = False


TOOLS: Mapping[str, Tool] = {
    "why_stuck": Tool("Why an order is stuck", ById, WhyStuck, Tools.why_stuck),
    "find_trail": Tool("Find a trail", ById, TrailFound, Tools.find_trail),
    "list_stuck": Tool("What is stuck", ListStuck, StuckList, Tools.list_stuck),
    "stuck_causes": Tool("What is stuck, by cause", ListStuckCauses, StuckCauses, Tools.stuck_causes),
    "on_call": Tool("What went wrong lately", ListChanges, Changes, Tools.on_call),
    "group_lag": Tool("Who is behind", GroupLag, Groups, Tools.group_lag),
    "dead_letters": Tool("Dead letters", ListLetters, Letters, Tools.dead_letters),
    "dead_letter_causes": Tool("Dead letters by cause", ListCauses, Causes, Tools.dead_letter_causes),
    "flows": Tool("Flows", Nothing, Flows, Tools.flows),
    "plan_redrive": Tool("Plan a redrive", PlanRedrive, Plan, Tools.plan_redrive),
    "redrive": Tool("Redrive dead letters", StartRedrive, Redrive, Tools.redrive, writes=True),
}
"""By the names that clients call them by; each one's docstring is what a model reads."""
