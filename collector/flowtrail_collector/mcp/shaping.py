"""From the API's answers to short results; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flowtrail_collector.mcp.results import Flows, Letters, StuckList, TrailFound, WhyStuck
from flowtrail_collector.mcp.sentences import Sentence, of_reason

__all__ = ["begin_so", "flows_of", "letters_of", "stuck_of", "trail_found", "why_stuck"]

_MOST_ENTRIES, _MOST_MATCHES, _MOST_IDS, _MOST_INSTANCES, _MOST_STEPS = 25, 10, 5, 5, 10
Verdict = Literal["stuck", "waiting", "ended", "no flow", "several"]
Json = Mapping[str, Any]


def trail_found(found: Json) -> TrailFound:
    """An answer of `/api/v1/trails/{id}`."""
    return TrailFound.model_validate(
        {
            "matched_by": found["matched_by"],
            "trail": _trail(found["trail"]) if "trail" in found else None,
            "several": found.get("matches", [])[:_MOST_MATCHES],
        }
    )


def begin_so(answer: Json) -> TrailFound:
    """An answer of `/api/v1/search`."""
    return TrailFound.model_validate({"begin_so": answer["found"]})


def why_stuck(wanted: str, found: Json, groups: Sequence[Json], letters: Sequence[Json]) -> WhyStuck:
    """Why what an id led to doesn't move.

    Args:
        wanted: The id.
        found: An answer of `/api/v1/trails/{id}`.
        groups: Those that should act, as `/api/v1/lag` shows them.
        letters: Its pending dead letters.
    """
    if "trail" not in found:
        matches = found["matches"][:_MOST_MATCHES]
        return WhyStuck.model_validate(
            {"id": wanted, "verdict": "several", "several": matches, "next": [Sentence.CHOOSE]}
        )
    trail = found["trail"]
    sagas, waiting = trail["sagas"], _waiting(trail)
    verdict = _verdict(sagas, waiting, letters)
    return WhyStuck.model_validate(
        {
            "id": wanted,
            "verdict": verdict,
            "because": _because(sagas, letters),
            "instances": sagas[:_MOST_INSTANCES],
            "waiting": waiting,
            "groups": [_group(group) for group in groups],
            "dead_letters": letters,
            "next": _next(verdict, groups, letters),
        }
    )


def letters_of(answer: Json) -> Letters:
    """An answer of `/api/v1/dead-letters`."""
    return Letters.model_validate(answer)


def stuck_of(answer: Json) -> StuckList:
    """An answer of `/api/v1/sagas`."""
    return StuckList.model_validate({"stuck": answer["sagas"]})


def flows_of(answer: Json) -> Flows:
    """An answer of `/api/v1/flows`."""
    flows = [{**flow, "steps": [step["name"] for step in flow["steps"]]} for flow in answer["flows"]]
    return Flows.model_validate({"flows": flows})


def _trail(trail: Json) -> dict[str, Any]:
    entries = [entry for entry in trail["entries"] if entry["kind"] != "queue"]
    return {
        **trail,
        "subjects": trail["subjects"][:_MOST_IDS],
        "correlation_ids": trail["correlation_ids"][:_MOST_IDS],
        "instances": trail["sagas"][:_MOST_INSTANCES],
        "waiting": _waiting(trail),
        "entries": [_entry(entry) for entry in entries[-_MOST_ENTRIES:]],
        "earlier_entries": max(0, len(entries) - _MOST_ENTRIES),
    }


def _entry(entry: Json) -> dict[str, Any]:
    error = entry.get("error")
    if error is None:
        return dict(entry)
    return {**entry, "error": {"type": error["type"], "message": error["message"] or None}}


def _waiting(trail: Json) -> list[Json]:
    """What is late first."""
    return sorted(trail["missing"], key=lambda step: not step["overdue"])[:_MOST_INSTANCES]


def _group(group: Json) -> dict[str, Any]:
    # Its partitions would be most of the answer, and say the least.
    return {name: value for name, value in group.items() if name != "partitions"}


def _because(sagas: Sequence[Json], letters: Sequence[Json]) -> list[Sentence]:
    few = sagas[:_MOST_INSTANCES]
    said = [of_reason(late["reason"]) for saga in few for late in saga["stuck_at"][:_MOST_STEPS]]
    if letters and Sentence.DEAD_LETTER not in said:
        said.append(Sentence.GIVEN_UP)
    return list(dict.fromkeys(said))


def _verdict(sagas: Sequence[Json], waiting: Sequence[Json], letters: Sequence[Json]) -> Verdict:
    if letters or any(saga["stuck_at"] for saga in sagas) or any(step["overdue"] for step in waiting):
        return "stuck"
    if not sagas:
        return "no flow"
    return "ended" if all(saga["ended"] for saga in sagas) else "waiting"


def _next(verdict: Verdict, groups: Sequence[Json], letters: Sequence[Json]) -> list[Sentence]:
    if verdict == "waiting":
        return [Sentence.WAIT]
    if verdict != "stuck":
        return []
    if letters:
        return [Sentence.LOOK_AT_LETTER]
    if any(group["lag"] != 0 or group["status"] in ("stopped", "stalled") for group in groups):
        return [Sentence.LOOK_AT_GROUP]
    return [Sentence.LOOK_AT_TRAIL] if groups else []
