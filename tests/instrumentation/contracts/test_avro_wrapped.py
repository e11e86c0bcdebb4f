"""Whom a change of an Avro type breaks doesn't depend on what the type stands in."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contractkit import CASES, Case, record
from flowtrail.contracts import FolderSource, Reader, broken_readers
from flowtrail.contracts._formats import FORMATS

pytestmark = pytest.mark.slow

AVRO = FORMATS["avro"]
CHANGES = [case for case in CASES if "avro" in case.texts]


def _beside(schema: Any, *others: str) -> list[Any]:
    """A union with what isn't in there yet."""
    branches = schema if isinstance(schema, list) else [schema]
    return [*(other for other in others if other not in branches), *branches]


WRAPPERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "nullable": ("", lambda inner: _beside(inner, "null")),
    "last of a union": ("", lambda inner: _beside(inner, "null", "boolean")),
    "list": ("[]", lambda inner: {"type": "array", "items": inner}),
    "map": ("{}", lambda inner: {"type": "map", "values": inner}),
    "record": (".f", lambda inner: {"type": "record", "name": "Around", "fields": [{"name": "f", "type": inner}]}),
    "nullable list of what is nullable": (
        "[]", lambda inner: ["null", {"type": "array", "items": _beside(inner, "null")}]
    ),
}  # fmt: skip


def breaks(old: Any, new: Any) -> dict[str, set[str]]:
    """Whom the changes break, by field."""
    before, after = (AVRO.parse(name, json.dumps(schema), "A") for name, schema in (("1", old), ("2", new)))
    found: dict[str, set[str]] = {}
    for change in AVRO.compare(before, after):
        found.setdefault(change.field, set()).update(change.breaks)
    return {field: sides for field, sides in found.items() if sides}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_record_within_breaks_whom_it_breaks_alone(wrapper: str) -> None:
    suffix, wrap = WRAPPERS[wrapper]
    for case in CHANGES:
        old, new = (json.loads(text) for text in case.texts["avro"])
        place = f"w{suffix}"
        expected = {
            place if field == "(root)" else f"{place}.{field}": sides
            for field, sides in breaks(old, new).items()
        }
        assert breaks(record(w=wrap(old)), record(w=wrap(new))) == expected, case.name


def types_of(case: Case) -> tuple[Any, Any] | None:
    """What the field that changes is and was, if that is all that changes."""
    (*before, old), (*after, new) = (json.loads(text)["fields"] for text in case.texts["avro"])
    if before != after or old.keys() != {"name", "type"} or new.keys() != {"name", "type"}:
        return None
    return (old["type"], new["type"]) if old["name"] == new["name"] else None


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_type_within_breaks_whom_it_breaks_alone(wrapper: str) -> None:
    suffix, wrap = WRAPPERS[wrapper]
    pairs = [pair for case in CHANGES if (pair := types_of(case)) is not None and not _would_meet(*pair)]
    assert len(pairs) > 150
    for old, new in pairs:
        alone = breaks(record(x=old), record(x=new))
        expected = {f"x{suffix}{field[1:]}": sides for field, sides in alone.items()}
        assert breaks(record(x=wrap(old)), record(x=wrap(new))) == expected, (old, new)


def _would_meet(*pair: Any) -> bool:
    """Whether a union around them would be another change: a part of it is there already."""
    return any(isinstance(each, list) or each in ("null", "boolean") for each in pair)


def _decimal(scale: int) -> Any:
    return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}


def _record(kind: Any) -> Any:
    return {"type": "record", "name": "Line", "fields": [{"name": "qty", "type": kind}]}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("old", "new"),
    [(_decimal(2), _decimal(4)), (_record("string"), _record("int"))],
    ids=["decimal", "record"],
)
def test_who_reads_it_is_found(tmp_path: Path, wrapper: str, old: Any, new: Any) -> None:
    _, wrap = WRAPPERS[wrapper]
    (tmp_path / "A").mkdir()
    for number, schema in enumerate((old, new), 1):
        (tmp_path / "A" / f"{number}.avsc").write_text(json.dumps(record(x=wrap(schema))))
    reader = Reader("billing", "billing", "orders", "A", 1, "registry", datetime.now(UTC))
    (found,) = broken_readers([reader], FolderSource(tmp_path))
    assert (found.reader, found.version) == (reader, 2)
