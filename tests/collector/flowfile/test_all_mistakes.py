"""Every mistake of a flow file is told at once, and no unknown key passes, at whichever level."""

from __future__ import annotations

import copy
import io
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flowtrail_collector.cli import main
from flowtrail_collector.events.mapping import FIELDS
from flowtrail_collector.sagas.flow_file import FlowFileError, parse_flows, reader
from flowtrail_collector.sagas.model.flows import Flow, Step

# Each key that there is, once.
WHOLE = {
    "flows": {
        "orders": {
            "starts": "A",
            "steps": {
                "reserve": {
                    "done": "B",
                    "failed": "C",
                    "undone": "D",
                    "by": "g",
                    "within": "30s",
                    "times": {"event": "J", "field": "$.parcels"},
                    "of": {"field": "$.parcel"},
                    "asks": "K",
                    "asked_by": "h",
                    "was": "hold",
                },
                "charge": {"done": "E", "after": "reserve", "optional": True, "again_after": "F"},
                "invoice": {"done": "G", "instead_of": "charge"},
                "ship": {"children": {"flow": "shipments", "parent": {"field": "$.order"}, "all": True}},
            },
            "completes": "H",
            "cancels": "I",
            "within": "2d",
            "correlate": "subject",
        },
        "shipments": {"starts": "L", "completes": "M"},
    },
    "mapping": {
        "t": {
            "type": {"value": "X"},
            "id": {"field": "$.id"},
            "correlation": {"from": "key", "names": {"a": "b"}},
            "causation": {"header": "h"},
            "subject": [{"schema": "name"}, {"from": "topic"}],
            "source": "/s",
        }
    },
}
# Below these, keys are names that a user chooses.
CHOSEN = {("flows",), ("flows", "orders", "steps"), ("mapping",), ("mapping", "t", "correlation", "names")}


def keys_of(value, path=()):
    """Where each key stands that the file's author doesn't choose."""
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, inner in items:
        if isinstance(key, str) and path not in CHOSEN:
            yield (*path, key)
        yield from keys_of(inner, (*path, key))


KEYS = list(keys_of(WHOLE))


def written(data, folder):
    path = folder / "flows.yaml"
    with path.open("w") as file:
        YAML().dump(data, file)
    return path


def misspelt(word):
    return word + "x" if len(word) < 4 else word[:-2] + word[-1] + word[-2] + "x"


def with_key(path, new):
    data = copy.deepcopy(WHOLE)
    place = data
    for key in path[:-1]:
        place = place[key]
    items = list(place.items())
    place.clear()
    place.update((new if key == path[-1] else key, value) for key, value in items)
    return data


def lines_of(text):
    with pytest.raises(FlowFileError) as raised:
        parse_flows(text)
    return raised.value.lines


def test_the_file_that_is_misspelt_here_is_right_and_has_every_key_of_the_model(tmp_path):
    parse_flows(written(WHOLE, tmp_path).read_text())
    model = {
        kind: {field.name.removesuffix("_ms") for field in fields(kind)} - {"name"} for kind in (Flow, Step)
    }
    at = {kind: {path[-1] for path in KEYS if len(path) == depth and path[0] == "flows"}
          for kind, depth in ((Flow, 3), (Step, 5))}  # fmt: skip
    assert at[Flow] == set(reader._FLOW_KEYS) == {name for name in model[Flow] if name in at[Flow]}
    assert at[Step] == set(reader._STEP_KEYS) == model[Step] & at[Step]
    assert {path[2] for path in KEYS if len(path) == 3 and path[0] == "mapping"} == set(FIELDS)


@pytest.mark.parametrize("path", KEYS, ids=lambda path: ".".join(map(str, path)))
def test_an_unknown_key_is_refused_wherever_it_stands_and_the_nearest_named(tmp_path, path):
    wrong = misspelt(path[-1])
    lines = lines_of(written(with_key(path, wrong), tmp_path).read_text())
    named = [line for line in lines if f"'{wrong}'" in line]
    assert named, lines
    assert f"did you mean '{path[-1]}'?" in named[0]
    assert all(line.startswith("flows.yaml:") and "\n" not in line for line in lines)


@pytest.mark.slow
@given(st.sets(st.sampled_from([path for path in KEYS if len(path) > 2]), min_size=1, max_size=8))
def test_all_unknown_keys_are_told(paths):
    """One pass finds what correcting one after the other would; keys below a wrong one are looked at after it."""
    data = copy.deepcopy(WHOLE)
    told = set()
    for path in sorted(paths, key=len, reverse=True):
        place = data
        for key in path[:-1]:
            place = place[key]
        place[misspelt(path[-1])] = place.pop(path[-1])
    for path in paths:
        if not any(path[: len(other)] == other for other in paths if other != path):
            told.add(misspelt(path[-1]))
    out = io.StringIO()
    YAML().dump(data, out)
    lines = lines_of(out.getvalue())
    assert all(any(f"'{wrong}'" in line for line in lines) for wrong in told), (told, lines)


MISTAKES = """\
flows:
  orders:
    starts: 5
    steps:
      reserve: {done: B, within: soon, tims: 2}
      charge: {by: [x], after: nobody}
      ship: {done: B, optional: 3}
      invoice: {done: D, instead_of: charge}
    completes: Z
    cancels: Z
  returns: {starts: A}
  3: {starts: A}
mapping:
  t: {typ: x, id: same, subject: {field: a.b}, source: [{form: key}, {from: offset}]}
  5: {type: x}
"""


def test_mistakes_of_all_kinds_are_told_in_their_order(tmp_path, capsys):
    path = tmp_path / "flows.yaml"
    path.write_text(MISTAKES)
    assert main(["flows", "check", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = [line.removeprefix(f"flowtrail: {path}:") for line in told.err.splitlines()]
    places = [tuple(map(int, line.split(":")[:2])) for line in lines]
    assert places == sorted(places)
    words = [
        "'starts' must be", "'within' must be", "no key 'tims' (did you mean 'times'?)", "needs 'done'",
        "'by' must be", "'nobody' doesn't stand before", "'B' is already used by step 'reserve'",
        "'optional' must be", "can't be in both 'completes' and 'cancels'", "flow 'returns' needs 'completes'",
        "a flow's name", "no key 'typ' (did you mean 'type'?)", "can't be the same", "takes a path",
        "no key 'form' (did you mean 'from'?)", "'from' takes", "a mapping is named",
    ]  # fmt: skip
    assert [word for word in words if not any(word in line for line in lines)] == []
    assert len(lines) == len(words)
    assert main(["flows", "try", str(path), "-"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"(and {len(words) - 1} more: flowtrail flows check {path} names them)" in line
