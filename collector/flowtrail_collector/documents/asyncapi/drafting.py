"""Drafts flows from documents: what a service reads may lead to what it sends.

A document knows who reads and who sends what, not in which order and not what follows from what. So every line is
a guess, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowtrail_collector.documents.asyncapi.declared import Declared, Operation
from flowtrail_collector.sagas.learning.words import free, kebab, yaml_text, yaml_types
from flowtrail_collector.wording import printable

__all__ = ["DraftedFlow", "DraftedStep", "draft_text", "drafted_flows"]

_FAILURE = re.compile(
    r"(?i)fail|reject|cancel|declin|expir|time[sd]?[._-]?out|abort|void|error|denied|out[._-]?of"
)
_UNDONE = re.compile(r"(?i)releas|refund|revers|undone|restock|unreserv")
_CANCEL = re.compile(r"(?i)cancel|abort")
_BEGIN = re.compile(r"(?i)plac|creat|request|start|open|submit|regist|receiv|begin|initiat")
_NO_NAMES = frozenset({"service", "api", "events", "event", "application", "app", "async", "asyncapi"})
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class DraftedStep:
    """A step; `because` is what its service reads that leads to it."""

    name: str
    done: str
    by: str
    because: tuple[str, ...]
    failed: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftedFlow:
    """A flow."""

    name: str
    starts: str
    steps: tuple[DraftedStep, ...]
    completes: str
    cancels: tuple[str, ...] = ()


@dataclass
class _Graph:
    """Who sends (by service) and who reads (by type), and which of it are requests and their replies."""

    sent: dict[str, set[str]] = field(default_factory=dict)
    readers: dict[str, set[str]] = field(default_factory=dict)
    replies: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    awaited: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, operation: Operation, service: str) -> None:
        for type in operation.types:
            if operation.sends:
                self.sent.setdefault(service, set()).add(type)
                if operation.answers:
                    self.replies.setdefault((service, type), set()).update(operation.answers)
            else:
                self.readers.setdefault(type, set()).add(service)
                self.awaited.update((service, type, asked) for asked in operation.answers)

    def types(self) -> list[str]:
        return sorted(set(self.readers).union(*self.sent.values()))

    def led(self, service: str, type: str) -> list[str]:
        """What a service may send because of a type: replies to that alone, and not the request that it answers."""
        return sorted(
            sent
            for sent in self.sent.get(service, ())
            if sent != type
            and type in self.replies.get((service, sent), (type,))
            and (service, type, sent) not in self.awaited
        )

    def next(self, type: str) -> list[str]:
        """What a type may lead to."""
        return [sent for service in sorted(self.readers.get(type, ())) for sent in self.led(service, type)]


def drafted_flows(documents: Sequence[Declared]) -> list[DraftedFlow]:
    """Flows, one for each type that may start one.

    Args:
        documents: All of them together: each may be about one service, which its title names.
    """
    graph = _Graph()
    for document in documents:
        owner = owner_in(document.title)
        for operation in document.operations:
            service = operation.service or next(iter(sorted(operation.groups)), owner)
            if service is not None:
                graph.add(operation, service)
    flows = (_flow(graph, start) for start in _starts(graph))
    return [flow for flow in flows if flow is not None]


def _starts(graph: _Graph) -> list[str]:
    """Types that nothing leads to but what they lead to themselves: of each circle, the likeliest beginning."""
    leads = {type: graph.next(type) for type in graph.types()}
    causes: dict[str, set[str]] = {type: set() for type in leads}
    for type, sent in leads.items():
        for each in sent:
            causes[each].add(type)
    readers: set[str] = set().union(*graph.readers.values())
    fresh = set().union(*(sent for service, sent in graph.sent.items() if service not in readers))
    return sorted(
        # The name first: whatever is in a circle is also sent as a reaction, so a sender that reads nothing may be
        # a stray one, such as an old system that sends what another service does.
        min(circle, key=lambda type: (not _BEGIN.search(type), type not in fresh, type))
        for circle in _circles(leads, causes)
        if all(causes[type] <= circle for type in circle) and any(leads[type] for type in circle)
    )


def _circles(leads: Mapping[str, Sequence[str]], causes: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """Types that lead to each other, each alone that doesn't (Kosaraju's way: time is linear in what leads to what)."""
    order: list[str] = []
    seen: set[str] = set()
    todo = [(type, False) for type in leads]
    while todo:
        type, is_left = todo.pop()
        if is_left:
            order.append(type)
        elif type not in seen:
            seen.add(type)
            todo += [(type, True), *((each, False) for each in leads[type])]
    taken: set[str] = set()
    for start in reversed(order):
        if start in taken:
            continue
        circle, waiting = {start}, [start]
        while waiting:
            new = causes[waiting.pop()] - taken - circle
            circle |= new
            waiting += new
        taken |= circle
        yield circle


def _flow(graph: _Graph, start: str) -> DraftedFlow | None:
    """Walks in the order in which things can follow, good news only: failures are branches."""
    steps: list[DraftedStep] = []
    placed, order = {start}, [start]
    cancels: set[str] = set()
    for type in order:
        for service in sorted(graph.readers.get(type, ())):
            sent = [kind for kind in graph.led(service, type) if kind not in placed]
            good = [kind for kind in sent if not (_FAILURE.search(kind) or _UNDONE.search(kind))]
            cancels.update(kind for kind in sent if _CANCEL.search(kind))
            failed = tuple(k for k in sent if _FAILURE.search(k) and not _CANCEL.search(k))
            undone = tuple(k for k in sent if _UNDONE.search(k))
            for number, kind in enumerate(good):
                if len(steps) < _MOST_STEPS:
                    placed.add(kind)
                    order.append(kind)
                    beside = (failed, undone) if number == 0 else ((), ())
                    steps.append(DraftedStep(kebab(kind), kind, service, (type,), *beside))
            if good:
                placed.update(failed, undone)
    if not steps:
        return None
    ends = [step.done for step in steps if not any(kind in placed for kind in graph.next(step.done))]
    completes = ends[-1] if ends else steps[-1].done
    return DraftedFlow(kebab(start), start, tuple(steps), completes, tuple(sorted(cancels)))


def draft_text(flows: Sequence[DraftedFlow]) -> str:
    """The flow file; if there are no flows, only comments that say why."""
    return "\n".join(_lines(flows)) + "\n"


def _lines(flows: Sequence[DraftedFlow]) -> Iterator[str]:
    yield (
        "# Drafted from AsyncAPI by `flowtrail flows learn --asyncapi`. Every line is a guess: documents say who reads"
    )
    yield "# and sends what, not what follows from what. Add `within`, and compare with `flowtrail flows learn`."
    if not flows:
        yield "# No flow could be found: no service reads one type and sends another."
        return
    yield "flows:"
    for flow in flows:
        yield f"  {yaml_text(flow.name)}:"
        yield f"    starts: {yaml_text(flow.starts)}"
        yield "    steps:"
        names: set[str] = set()
        for step in flow.steps:
            yield from _step(step, flow, names)
        yield f"    completes: {yaml_text(flow.completes)}  # nothing is known to follow"
        if flow.cancels:
            yield f"    cancels: {yaml_types(flow.cancels)}  # sounds like it"


def _step(step: DraftedStep, flow: DraftedFlow, names: set[str]) -> Iterator[str]:
    name = free(step.name, names)
    yield f"      {yaml_text(name)}:"
    yield f"        done: {yaml_text(step.done)}  # {printable(step.by)} reads {printable(', '.join(step.because))}"
    earlier = {other.done: other.name for other in flow.steps}
    after = [earlier.get(type, "start") for type in step.because]
    yield f"        after: {yaml_types(after)}"
    if step.failed:
        yield f"        failed: {yaml_types(step.failed)}  # of the same service, and sounds like it"
    if step.undone:
        yield f"        undone: {yaml_types(step.undone)}  # of the same service, and sounds like it"
    yield f"        by: {yaml_text(step.by)}"
    names.add(name)


def owner_in(title: str) -> str | None:
    """The service that a title names: `billing` of `Billing Service`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", title.lower()) if word]
    own = [word for word in words if word not in _NO_NAMES]
    return "-".join(own) or None
