"""Reads flow files; whatever is wrong is said with its line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.mapping_file import read_mapping
from flowtrail_collector.sagas.flow_forms import FlowForms
from flowtrail_collector.sagas.model.flows import CHILD, Correlate, Flow, Flows, Step
from flowtrail_collector.units import convert_span

__all__ = ["FlowFileError", "load_flows", "parse_flows", "read_flows"]

_FLOW_KEYS = ("starts", "steps", "completes", "cancels", "within", "correlate")
_STEP_KEYS = ("done", "failed", "undone", "by", "within", "after", "optional", "times", "instead_of",
              "again_after", "of", "children", "was", "asks", "asked_by")  # fmt: skip
_MAX_TIMES = 1_000
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|w)")
_MAX_BYTES = 1_000_000
START = "start"


class FlowFileError(ConfigurationError):
    """Something in a flow file is wrong.

    Attributes:
        line: Counted from 1.
        column: Counted from 1.
    """

    def __init__(self, file: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.line = line
        self.column = column


def load_flows(path: str | Path) -> Flows:
    """Read a flow file.

    Raises:
        ConfigurationError: It can't be read.
        FlowFileError: It is malformed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"flow file {path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"flow file {path}: larger than {_MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"flow file {path}: not UTF-8") from None
    return parse_flows(text, str(path))


def parse_flows(text: str, file: str = "flows.yaml") -> Flows:
    """Read flows from text; `file` names it in errors.

    Raises:
        FlowFileError: It is malformed.
    """
    try:
        # The round-trip loader keeps lines and columns; it builds no Python objects.
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = (error.problem or error.context or "not YAML").splitlines()[0]
        raise FlowFileError(file, line, column, problem) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise FlowFileError(file, 1, 1, str(error).splitlines()[0] if str(error) else "not YAML") from None
    return read_flows(document, file)


def read_flows(document: Any, file: str = "flows.yaml") -> Flows:
    """Read flows from what a YAML document holds: `CommentedMap` and `CommentedSeq`, as they know where they stand.

    Raises:
        FlowFileError: It is malformed.
    """
    return _Reader(file).flows(document)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._forms = FlowForms(self._wrong, self._known_keys, self._types)

    def flows(self, document: Any) -> Flows:
        if not isinstance(document, CommentedMap) or not {"flows", "mapping"} & set(document):
            raise FlowFileError(self._file, 1, 1, "expected a mapping with the key 'flows'")
        self._known_keys(document, ("flows", "mapping"), "the file")
        mapping = read_mapping(document, self._wrong, self._known_keys)
        if "flows" not in document:
            return Flows(mapping=mapping)
        flows = document["flows"]
        if not isinstance(flows, CommentedMap) or not flows:
            self._wrong(document, "flows", "'flows' must map names to flows, and name at least one")
        read = Flows.of(self._flow(flows, name) for name in flows)
        return replace(self._forms.with_depth(flows, read), mapping=mapping)

    def _flow(self, flows: CommentedMap, name: Any) -> Flow:
        body = self._named_mapping(flows, name, "flow")
        self._known_keys(body, _FLOW_KEYS, f"flow '{name}'")
        for key in ("starts", "completes"):
            if key not in body:
                self._wrong(flows, name, f"flow '{name}' needs '{key}': the event type that {key} it")
        steps = tuple(self._steps(body, name))
        flow = Flow(
            name=name,
            starts=self._types(body, "starts"),
            steps=steps,
            completes=self._types(body, "completes"),
            cancels=self._types(body, "cancels"),
            within_ms=self._duration(body, "within"),
            correlate=self._correlate(body),
        )
        self._check_ends(body, flow)
        self._check_renamed(body, flow)
        return flow

    def _check_renamed(self, body: CommentedMap, flow: Flow) -> None:
        taken = {step.name: step.name for step in flow.steps}
        for step in flow.steps:
            for name in step.was:
                if name in taken:
                    written = body["steps"][step.name]
                    self._wrong(
                        written, "was", f"'{name}' is, or was, step '{taken[name]}': it can be only one"
                    )
                taken[name] = step.name

    def _check_ends(self, body: CommentedMap, flow: Flow) -> None:
        for first, second in (("starts", "completes"), ("starts", "cancels"), ("completes", "cancels")):
            both = set(getattr(flow, first)) & set(getattr(flow, second))
            if both:
                self._wrong(body, second, f"'{both.pop()}' can't be in both '{first}' and '{second}'")
        seen: dict[str, str] = {}
        for step in flow.steps:
            for kind in (*step.done, *step.failed, *step.undone):
                if kind in seen:
                    self._wrong(body["steps"], step.name, f"'{kind}' is already used by step '{seen[kind]}'")
            seen.update(dict.fromkeys((*step.done, *step.failed, *step.undone), step.name))
            for kind in {*step.asks} & {*step.done, *step.failed, *step.undone}:
                self._wrong(
                    body["steps"][step.name], "asks", f"'{kind}' can't both ask for a step and answer"
                )

    def _steps(self, body: CommentedMap, flow: str) -> Iterator[Step]:
        if "steps" not in body:
            return
        steps = body["steps"]
        if not isinstance(steps, CommentedMap):
            self._wrong(body, "steps", f"'steps' of flow '{flow}' must map names to steps")
        previous: tuple[str, ...] = ()
        known: dict[str, Step] = {}
        for name in steps:
            step = known[name] = self._step(steps, name, previous)
            if step.instead_of is not None:
                step = known[name] = self._alternative(steps, step, known)
            elif not step.optional:
                previous = (step.name,)
            yield step

    def _alternative(self, steps: CommentedMap, step: Step, known: Mapping[str, Step]) -> Step:
        """A step that may be done instead of another: it has its turn when that one has."""
        body = steps[step.name]
        for key in ("after", "optional", "again_after"):
            if key in body:
                self._wrong(
                    body, key, f"step '{step.name}' stands instead of '{step.instead_of}' and has its '{key}'"
                )
        other = known.get(step.instead_of or "")
        if other is None or other is step:
            earlier = [name for name in known if name != step.name]
            self._wrong(
                body,
                "instead_of",
                f"step '{step.instead_of}' doesn't stand before step '{step.name}'"
                + _hint(step.instead_of or "", earlier),
            )
        first = other.instead_of or other.name
        return replace(step, instead_of=first, after=other.after, optional=other.optional)

    def _correlate(self, body: CommentedMap) -> Correlate:
        value = body.get("correlate", Correlate.CORRELATION.value)
        if not isinstance(value, str) or value not in list(Correlate):
            self._wrong(body, "correlate", f"'correlate' must be one of {', '.join(Correlate)}")
        return Correlate(value)

    def _times(self, body: CommentedMap) -> int:
        value = body.get("times", 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_TIMES:
            self._wrong(
                body,
                "times",
                f"'times' must be a whole number from 1 to {_MAX_TIMES}, or name an 'event' and its 'field'",
            )
        return int(value)

    def _step(self, steps: CommentedMap, name: Any, previous: tuple[str, ...]) -> Step:
        body = self._named_mapping(steps, name, "step")
        self._known_keys(body, _STEP_KEYS, f"step '{name}'")
        children = self._forms.children(body)
        if children is None and "done" not in body:
            self._wrong(steps, name, f"step '{name}' needs 'done': the event type that says it was done")
        for key in ("by", "asked_by"):
            if body.get(key) is not None and not isinstance(body[key], str):
                self._wrong(body, key, f"'{key}' must be the name of a consumer group")
        if "asked_by" in body and "asks" not in body:
            self._wrong(body, "asked_by", f"step '{name}' needs 'asks' beside 'asked_by'")
        optional = body.get("optional", False)
        if not isinstance(optional, bool):
            self._wrong(body, "optional", "'optional' must be true or false")
        instead_of = body.get("instead_of")
        if instead_of is not None and not isinstance(instead_of, str):
            self._wrong(body, "instead_of", "'instead_of' must be the name of a step")
        return Step(
            name=name,
            done=self._types(body, "done") if children is None else (children.completed,),
            failed=self._types(body, "failed") if children is None else (children.failed,),
            undone=self._types(body, "undone"),
            by=body.get("by"),
            within_ms=self._duration(body, "within"),
            after=self._after(steps, body, name) if "after" in body else previous,
            optional=optional,
            times=self._forms.count(body) or self._times(body),
            instead_of=instead_of,
            again_after=self._types(body, "again_after"),
            of=self._forms.of(body) if children is None else CHILD,
            children=children,
            was=self._strings(body, "was", "the name, or the names, that the step had before")
            if "was" in body
            else (),
            asks=self._types(body, "asks"),
            asked_by=body.get("asked_by"),
        )

    def _after(self, steps: CommentedMap, body: CommentedMap, name: str) -> tuple[str, ...]:
        names = self._strings(body, "after", "the names of steps, or 'start'")
        if names == (START,):
            return ()
        earlier = list(steps)[: list(steps).index(name)]
        for wanted in names:
            if wanted not in earlier:
                self._wrong(
                    body,
                    "after",
                    f"step '{wanted}' doesn't stand before step '{name}'" + _hint(wanted, earlier),
                )
        return names

    def _types(self, body: CommentedMap, key: str) -> tuple[str, ...]:
        return self._strings(body, key, "an event type or a list of them") if key in body else ()

    def _strings(self, body: CommentedMap, key: str, what: str) -> tuple[str, ...]:
        value = body[key]
        names = [value] if isinstance(value, str) else value
        if (
            not isinstance(names, list)
            or not names
            or not all(isinstance(n, str) and n.strip() for n in names)
        ):
            self._wrong(body, key, f"'{key}' must be {what}")
        return tuple(dict.fromkeys(str(name) for name in names))

    def _duration(self, body: CommentedMap, key: str) -> int | None:
        value = body.get(key)
        if value is None and key not in body:
            return None
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or float(match[1]) == 0:
            self._wrong(body, key, f"'{key}' must be a duration such as 500ms, 30s, 5m, 2h or 1d")
        return int(convert_span(match[1], match[2], to="ms"))

    def _named_mapping(self, parent: CommentedMap, name: Any, what: str) -> CommentedMap:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == START:
            self._wrong(
                parent,
                name,
                f"a {what}'s name is made of letters, digits, '.', '_' and '-', and isn't 'start'",
            )
        body = parent[name]
        if not isinstance(body, CommentedMap):
            self._wrong(parent, name, f"{what} '{name}' must be a mapping")
        return body

    def _known_keys(self, body: CommentedMap, known: Sequence[str], what: str) -> None:
        for key in body:
            if key not in known:
                self._wrong(
                    body,
                    key,
                    f"{what} has no key '{key}'{_hint(str(key), known)}; it knows {', '.join(known)}",
                )

    def _wrong(self, parent: CommentedMap | CommentedSeq, key: Any, message: str) -> NoReturn:
        line, column = parent.lc.data[key][:2]
        raise FlowFileError(self._file, line + 1, column + 1, message)


def _hint(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
