"""Whether an Avro contract may change in this way.

Both directions of the specification's schema resolution, and what it leaves out: it matches types without
their logical types, so a decimal whose scale changed resolves, to amounts that are wrong by powers of ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from flowtrail.contracts._change import BACKWARD, BOTH, FORWARD, Change, short, told_once, too_early
from flowtrail.contracts._walks import Walk
from flowtrail.contracts.avro._nodes import Field, Node
from flowtrail.contracts.avro._resolving import PROMOTIONS, branch_for, same_name, writers_field

_BACKWARD, _FORWARD, _NOBODY = frozenset({BACKWARD}), frozenset({FORWARD}), frozenset[str]()


def compare(old: Node, new: Node, *, today: date | None = None) -> list[Change]:
    """The changes from old to new that need a new version."""
    return told_once(_Comparison(today).compare(old, new, "", frozenset()))


class _Comparison:
    def __init__(self, today: date | None) -> None:
        self._today = today
        self._walk = Walk()

    def compare(self, old: Node, new: Node, path: str, seen: frozenset[tuple[int, int]]) -> Iterator[Change]:
        visit = id(old), id(new)
        if not self._walk.enters(visit, seen):
            return
        seen |= {visit}
        field = path or "(root)"
        if old.kind == "union" or new.kind == "union":
            yield from self._unions(old, new, path, seen)
        elif old.kind != new.kind:
            yield from _kinds(old, new, field)
        elif old.name and not (same_name(old, new) or same_name(new, old)):
            yield Change(field, "renamed-type", f"from {old.name} to {new.name} without an alias")
        else:
            if old.name and not (same_name(old, new) and same_name(new, old)):
                side = _FORWARD if same_name(old, new) else _BACKWARD
                yield Change(
                    field, "renamed-type", f"from {old.name} to {new.name}; one side knows both", side
                )
            yield from self._alike(old, new, path, seen)

    def _alike(self, old: Node, new: Node, path: str, seen: frozenset[tuple[int, int]]) -> Iterator[Change]:
        field = path or "(root)"
        if old.inner is not None and new.inner is not None:
            yield from self.compare(
                old.inner, new.inner, f"{path}{'[]' if old.kind == 'array' else '{}'}", seen
            )
        elif old.kind == "record":
            yield from self._fields(old, new, path, seen)
        elif old.kind == "enum":
            yield from _symbols(old, new, field)
        elif old.size != new.size:
            yield Change(field, "changed: size", f"from {old.size} to {new.size} bytes")
        yield from _logical(old, new, field)

    def _fields(self, old: Node, new: Node, path: str, seen: frozenset[tuple[int, int]]) -> Iterator[Change]:
        taken: set[str] = set()
        for part in new.fields.values():
            field = f"{path}.{part.name}" if path else part.name
            source = writers_field(old, part)
            if source is None:
                if not part.default:
                    yield Change(field, "new-field-needs-default", "readers of old data have no value for it",
                                 _BACKWARD)  # fmt: skip
                continue
            taken.add(source.name)
            if source.name != part.name and writers_field(new, source) is None:
                detail = f"was {source.name}; readers of the old contract don't know the new name"
                hurt = _NOBODY if source.default else _FORWARD
                yield Change(field, "renamed", detail, hurt)
            yield from _defaults(source, part, field)
            yield from self.compare(source.type, part.type, field, seen)
        for source in old.fields.values():
            if source.name not in taken:
                yield from self._removed(source, f"{path}.{source.name}" if path else source.name)

    def _removed(self, part: Field, field: str) -> Iterator[Change]:
        if not part.default:
            yield Change(field, "required-field-removed", "readers of the old contract need it", _FORWARD)
        elif not part.deprecated:
            yield Change(field, "removed-without-deprecation", "mark it deprecated: true first", _NOBODY)
        else:
            yield from too_early(part.remove_after, field, self._today)

    def _unions(self, old: Node, new: Node, path: str, seen: frozenset[tuple[int, int]]) -> Iterator[Change]:
        """Each type that may be written has to be read, on both sides."""
        before = old.branches if old.kind == "union" else (old,)
        after = new.branches if new.kind == "union" else (new,)
        met: dict[tuple[int, int], tuple[Node, Node, set[str]]] = {}
        for branch in before:
            peer = branch_for(branch, after)
            if peer is None:
                yield _one_sided(branch, "type-removed-from-union", "new", path)
            else:
                met.setdefault((id(branch), id(peer)), (branch, peer, set()))[2].add(BACKWARD)
        for branch in after:
            peer = branch_for(branch, before)
            if peer is None:
                yield _one_sided(branch, "type-added-to-union", "old", path)
            else:
                met.setdefault((id(peer), id(branch)), (peer, branch, set()))[2].add(FORWARD)
        for one, other, sides in met.values():
            for change in self.compare(one, other, path, seen):
                hurt = change.breaks & sides
                if hurt or (BACKWARD in sides and not change.breaks):
                    yield replace(change, breaks=hurt)


def _one_sided(branch: Node, rule: str, who: str, path: str) -> Change:
    side = _BACKWARD if who == "new" else _FORWARD
    detail = f"{branch.shown}: readers of the {who} contract can't read it"
    return Change(path or "(root)", rule, detail, side)


def _kinds(old: Node, new: Node, field: str) -> Iterator[Change]:
    widened, narrowed = new.kind in PROMOTIONS.get(old.kind, ()), old.kind in PROMOTIONS.get(new.kind, ())
    detail = f"type was {old.shown}, is {new.shown}"
    if old.logical != new.logical:
        yield Change(field, "changed: logicalType", detail, _meaning(old, new))
    elif widened and narrowed:  # string and bytes
        hurt = _BACKWARD if new.kind == "string" else _FORWARD
        yield Change(field, "changed: type", f"{detail}: bytes need not be UTF-8, which text is", hurt)
    elif widened or narrowed:
        yield Change(field, "changed: type", detail, _FORWARD if widened else _BACKWARD)
    else:
        yield Change(field, "changed: type", detail)


def _meaning(old: Node, new: Node) -> frozenset[str]:
    """Whom another logical type hurts. A UUID is a text; any other number or text would mean something else."""
    if not ({old.logical, new.logical} <= {"", "uuid"} and {old.kind, new.kind} <= {"string", "bytes"}):
        return BOTH
    return _BACKWARD if new.logical else _FORWARD


def _logical(old: Node, new: Node, field: str) -> Iterator[Change]:
    if old.logical != new.logical:
        before, after = old.logical or f"plain {old.kind}", new.logical or f"plain {new.kind}"
        yield Change(field, "changed: logicalType", f"was {before}, is {after}", _meaning(old, new))
    elif old.scale != new.scale:
        detail = f"scale was {old.scale}, is {new.scale}: amounts are off by a power of ten"
        yield Change(field, "changed: scale", detail)
    elif old.precision != new.precision:
        wider = new.precision > old.precision
        detail = f"precision was {old.precision}, is {new.precision}"
        yield Change(field, "changed: precision", detail, _FORWARD if wider else _BACKWARD)


def _symbols(old: Node, new: Node, field: str) -> Iterator[Change]:
    for symbol in old.symbols:
        if symbol not in new.symbols:
            hurt = _NOBODY if new.default is not None else _BACKWARD
            yield Change(field, "symbol-removed", f"{short(symbol)} was written", hurt)
    for symbol in new.symbols:
        if symbol not in old.symbols and old.default is None:
            detail = f"{short(symbol)}: readers of the old contract have no default for it"
            yield Change(field, "symbol-added", detail, _FORWARD)


def _defaults(old: Field, new: Field, field: str) -> Iterator[Change]:
    if old.default and not new.default:
        yield Change(field, "default-removed", f"default was {short(old.default[0])}", _NOBODY)
    elif old.default and old.default != new.default:
        detail = f"default was {short(old.default[0])}, readers count on it"
        yield Change(field, "changed: default", detail, _NOBODY)
