"""Reads flow files; whatever is wrong is said with its line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.mapping_file import read_mapping
from flowtrail_collector.sagas.flow_file.forms import FlowForms
from flowtrail_collector.sagas.flow_file.mistakes import FlowFileError, Mistakes, hint
from flowtrail_collector.sagas.flow_file.uses import check_uses
from flowtrail_collector.sagas.model.fields import CountFrom
from flowtrail_collector.sagas.model.flows import CHILD, Children, Correlate, Flow, Flows, Step
from flowtrail_collector.units import convert_span

__all__ = ["FlowFileError", "load_flows", "parse_flows", "read_flows"]

_FILE_KEYS = ("flows", "mapping")
_FLOW_KEYS = ("starts", "steps", "completes", "cancels", "within", "correlate")
_STEP_KEYS = ("done", "failed", "undone", "by", "within", "after", "optional", "times", "instead_of",
              "again_after", "of", "children", "was", "asks", "asked_by")  # fmt: skip
_MAX_TIMES = 1_000
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|w)")
_MAX_BYTES = 1_000_000
START = "start"


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
        FlowFileError: It is malformed; names every mistake.
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
        self._mistakes = Mistakes(file)
        self._wrong = self._mistakes.wrong
        self._attempt = self._mistakes.attempt
        self._forms = FlowForms(self._mistakes, self._types)

    def flows(self, document: Any) -> Flows:
        if not isinstance(document, CommentedMap) or not set(_FILE_KEYS) & set(document):
            near = map(str, document) if isinstance(document, CommentedMap) else ()
            meant = next(filter(None, (hint(key, _FILE_KEYS) for key in near)), "")
            raise FlowFileError(self._file, 1, 1, f"expected a mapping with the key 'flows'{meant}")
        self._check_keys(document, _FILE_KEYS, "the file")
        mapping = self._attempt(read_mapping, document, self._mistakes, instead=TopicMappings())
        found = self._attempt(self._all_flows, document, instead=[])
        self._mistakes.end()
        return replace(Flows.of(found), mapping=mapping)

    def _all_flows(self, document: CommentedMap) -> list[Flow]:
        if "flows" not in document:
            return []
        flows = document["flows"]
        if not isinstance(flows, CommentedMap) or not flows:
            self._wrong(document, "flows", "'flows' must map names to flows, and name at least one")
        found = [self._attempt(self._flow, flows, name, instead=None) for name in flows]
        read = [flow for flow in found if flow is not None]
        return self._attempt(self._forms.with_depth, flows, read, instead=read)

    def _check_keys(self, body: CommentedMap, known: tuple[str, ...], what: str) -> None:
        self._attempt(self._mistakes.known_keys, body, known, what, instead=None)

    def _flow(self, flows: CommentedMap, name: Any) -> Flow:
        body = self._named_mapping(flows, name, "flow")
        self._check_keys(body, _FLOW_KEYS, f"flow '{name}'")
        for key in ("starts", "completes"):
            if self._mistakes.lacks(body, key, _FLOW_KEYS):
                message = f"flow '{name}' needs '{key}': the event type that {key} it"
                self._attempt(self._wrong, flows, name, message, instead=None)
        flow = Flow(
            name=name,
            starts=self._types(body, "starts"),
            steps=tuple(self._attempt(self._steps, body, name, instead=[])),
            completes=self._types(body, "completes"),
            cancels=self._types(body, "cancels"),
            within_ms=self._duration(body),
            correlate=self._attempt(self._correlate, body, instead=Correlate.CORRELATION),
        )
        check_uses(self._mistakes, body, flow)
        return flow

    def _steps(self, body: CommentedMap, flow: str) -> list[Step]:
        if "steps" not in body:
            return []
        steps = body["steps"]
        if not isinstance(steps, CommentedMap):
            self._wrong(body, "steps", f"'steps' of flow '{flow}' must map names to steps")
        return list(self._each_step(steps))

    def _each_step(self, steps: CommentedMap) -> Iterator[Step]:
        previous: tuple[str, ...] = ()
        known: dict[str, Step] = {}
        for name in steps:
            step = self._attempt(self._step, steps, name, previous, instead=None)
            if step is None:
                continue
            known[name] = step
            if step.instead_of is not None:
                step = known[name] = self._attempt(self._alternative, steps, step, known, instead=step)
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
            earlier = list(steps)[: list(steps).index(step.name)]
            if step.instead_of in earlier:
                return step  # what is wrong with that one is said there
            self._wrong(
                body,
                "instead_of",
                f"step '{step.instead_of}' doesn't stand before step '{step.name}'"
                + hint(step.instead_of or "", earlier),
            )
        first = other.instead_of or other.name
        return replace(step, instead_of=first, after=other.after, optional=other.optional)

    def _correlate(self, body: CommentedMap) -> Correlate:
        value = body.get("correlate", Correlate.CORRELATION.value)
        if not isinstance(value, str) or value not in list(Correlate):
            self._wrong(body, "correlate", f"'correlate' must be one of {', '.join(Correlate)}")
        return Correlate(value)

    def _times(self, body: CommentedMap) -> int | CountFrom:
        value = body.get("times", 1)
        if isinstance(value, CommentedMap):
            return self._forms.count(body, value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_TIMES:
            self._wrong(
                body,
                "times",
                f"'times' must be a whole number from 1 to {_MAX_TIMES}, or name an 'event' and its 'field'",
            )
        return int(value)

    def _step(self, steps: CommentedMap, name: Any, previous: tuple[str, ...]) -> Step:
        body = self._named_mapping(steps, name, "step")
        self._check_keys(body, _STEP_KEYS, f"step '{name}'")
        children = self._attempt(self._forms.children, body, instead=None)
        if "children" not in body and self._mistakes.lacks(body, "done", _STEP_KEYS):
            message = f"step '{name}' needs 'done': the event type that says it was done"
            self._attempt(self._wrong, steps, name, message, instead=None)
        if "asked_by" in body and self._mistakes.lacks(body, "asks", _STEP_KEYS):
            message = f"step '{name}' needs 'asks' beside 'asked_by'"
            self._attempt(self._wrong, body, "asked_by", message, instead=None)
        after = self._attempt(self._after, steps, body, name, instead=()) if "after" in body else previous
        step = Step(
            name=name,
            done=self._types(body, "done"),
            failed=self._types(body, "failed"),
            undone=self._types(body, "undone"),
            by=self._group(body, "by"),
            within_ms=self._duration(body),
            after=after,
            optional=self._attempt(self._optional, body, instead=False),
            times=self._attempt(self._times, body, instead=1),
            instead_of=self._attempt(self._text, body, "instead_of", "the name of a step", instead=None),
            again_after=self._types(body, "again_after"),
            of=self._attempt(self._forms.of, body, instead=None),
            was=self._attempt(self._was, body, instead=()),
            asks=self._types(body, "asks"),
            asked_by=self._group(body, "asked_by"),
        )
        return step if children is None else _waiting_for(step, children)

    def _was(self, body: CommentedMap) -> tuple[str, ...]:
        what = "the name, or the names, that the step had before"
        return self._strings(body, "was", what) if "was" in body else ()

    def _group(self, body: CommentedMap, key: str) -> str | None:
        return self._attempt(self._text, body, key, "the name of a consumer group", instead=None)

    def _text(self, body: CommentedMap, key: str, what: str) -> str | None:
        value = body.get(key)
        if value is not None and not isinstance(value, str):
            self._wrong(body, key, f"'{key}' must be {what}")
        return value

    def _optional(self, body: CommentedMap) -> bool:
        value = body.get("optional", False)
        if not isinstance(value, bool):
            self._wrong(body, "optional", "'optional' must be true or false")
        return value

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
                    f"step '{wanted}' doesn't stand before step '{name}'" + hint(wanted, earlier),
                )
        return names

    def _types(self, body: CommentedMap, key: str) -> tuple[str, ...]:
        if key not in body:
            return ()
        return self._attempt(self._strings, body, key, "an event type or a list of them", instead=())

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

    def _duration(self, body: CommentedMap) -> int | None:
        return self._attempt(self._span_ms, body, "within", instead=None) if "within" in body else None

    def _span_ms(self, body: CommentedMap, key: str) -> int | None:
        value = body[key]
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


def _waiting_for(step: Step, children: Children) -> Step:
    """The step whose end is that of its children."""
    return replace(step, done=(children.completed,), failed=(children.failed,), of=CHILD, children=children)
