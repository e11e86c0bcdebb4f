"""Each event type of a flow says one thing, and each name of a step is that of one step."""

from __future__ import annotations

from ruamel.yaml.comments import CommentedMap

from flowtrail_collector.sagas.flow_file.mistakes import Mistakes
from flowtrail_collector.sagas.model.flows import Flow

__all__ = ["check_uses"]


def check_uses(mistakes: Mistakes, body: CommentedMap, flow: Flow) -> None:
    """Note what is used twice in a flow.

    Args:
        mistakes: Where it is noted.
        body: The flow as it is written.
        flow: The same as it was read.
    """

    def note(parent: CommentedMap, key: str, message: str) -> None:
        mistakes.attempt(mistakes.wrong, parent, key, message, instead=None)

    for first, second in (("starts", "completes"), ("starts", "cancels"), ("completes", "cancels")):
        for kind in sorted(set(getattr(flow, first)) & set(getattr(flow, second))):
            note(body, second, f"'{kind}' can't be in both '{first}' and '{second}'")
    seen: dict[str, str] = {}
    names = {step.name: step.name for step in flow.steps}
    for step in flow.steps:
        written, said = body["steps"][step.name], (*step.done, *step.failed, *step.undone)
        for kind in said:
            if kind in seen:
                note(body["steps"], step.name, f"'{kind}' is already used by step '{seen[kind]}'")
        seen.update(dict.fromkeys(said, step.name))
        for kind in sorted({*step.asks} & {*said}):
            note(written, "asks", f"'{kind}' can't both ask for a step and answer")
        for name in step.was:
            if name in names:
                note(written, "was", f"'{name}' is, or was, step '{names[name]}': it can be only one")
            names[name] = step.name
