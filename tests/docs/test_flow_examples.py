"""The twelve flows: the page shows what happens, and in whatever order their events are read, that is what happens."""

from __future__ import annotations

import json
import random

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli import flows as commands
from flowtrail_collector.cli._app import cli
from flowtrail_collector.sagas.flow_file import load_flows
from sagakit import Happening, core
from tools.docs.blocks import ROOT
from tools.docs.flow_examples import FOLDER, ORDER, endings_of, files_of, page

ORDERS = 100
TOGETHER = 10
BEGIN_MS = 1_000_000_000_000
FAR_MS = 400 * 86_400_000


def loaded(name):
    flow_file, events = files_of(name)
    with events.open(encoding="utf-8") as lines:
        return load_flows(flow_file), list(commands._occasions(lines)), endings_of(events)


def test_the_page_shows_what_happens():
    shown = (ROOT / "docs" / "flow-examples.md").read_text(encoding="utf-8")
    assert shown == page(), "python -m tools.docs.flow_examples > docs/flow-examples.md"


def test_there_are_twelve_and_all_are_on_the_page():
    assert {path.stem for path in FOLDER.iterdir()} == set(ORDER)
    assert len(ORDER) == 12


@pytest.mark.parametrize("name", ORDER)
def test_nothing_is_doubted(name):
    result = CliRunner().invoke(cli, ["flows", "check", str(files_of(name)[0])])
    assert (result.exit_code, result.stderr) == (0, "")


def renamed(value, seed, keys):
    """The instances of one order of reading beside those of others, in payloads too."""
    if isinstance(value, dict):
        return {name: renamed(item, seed, keys) for name, item in value.items()}
    return f"{value}~{seed}" if value in keys else value


def happenings(occasions, seed):
    """What happens in one order of reading; in life, events of an instance share subject and correlation id."""
    keys = {item.key for item in occasions}
    return [
        Happening(
            item.type,
            BEGIN_MS + seed // TOGETHER * FAR_MS + item.at_ms,
            f"{seed}-{number}",
            flow=renamed(item.key, seed, keys),
            subject=renamed(item.key, seed, keys),
            payload=None if item.payload is None else renamed(json.loads(item.payload), seed, keys),
        )
        for number, item in enumerate(occasions)
    ]


def shuffled(happened, chance):
    """Wholly, or as clocks and partitions may do it."""
    hours = chance.choice((1, 24, 24 * 40, None))
    if hours is None:
        return chance.sample(happened, len(happened))
    return sorted(happened, key=lambda item: item.at_ms + chance.uniform(0, hours * 3_600_000))


def counters_of(folder, flows, groups):
    """Each group is read in portions, some events twice, the store opened anew on the way; how all ends."""
    copies = 0
    for chance, happened in groups:
        left, begin_ms = list(happened), min(item.at_ms for item in happened)
        while left:
            size = chance.randint(1, len(left))
            part, left = left[:size], left[size:]
            again = chance.sample(part, min(len(part), 3))
            copies += len(again)
            with core(folder, flows) as made:
                made.read([*part, *again], until_ms=0)
                made.pass_time(min([item.at_ms for item in left], default=begin_ms + FAR_MS - 1))
    with core(folder, flows) as made, made.database.read() as connection:
        rows = connection.execute("SELECT key, outcome FROM sagas ORDER BY instance").fetchall()
        endings: dict[str, list[str]] = {}
        for key, outcome in rows:
            endings.setdefault(key.partition("\x1f")[0], []).append(outcome)
        counters = {key: value for key, value in made.counters().items() if key[0] != "duplicate_events"}
        duplicates = {key: value for key, value in made.counters().items() if key not in counters}
        assert sum(duplicates.values()) == copies
    return {key: ", then ".join(found) for key, found in endings.items()}, counters


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDER)
def test_in_whatever_order_they_are_read_they_end_as_they_should(tmp_path, name):
    """A hundred orders on a store, swept and restarted on the way: one outcome, the same counts."""
    flows, occasions, endings = loaded(name)
    groups = []
    for first in range(0, ORDERS, TOGETHER):
        chance = random.Random(f"{name} {first}")
        happened = [item for seed in range(first, first + TOGETHER) for item in happenings(occasions, seed)]
        groups.append((chance, shuffled(happened, chance)))
    (tmp_path / "once").mkdir()
    once, counted = counters_of(tmp_path / "once", flows, [(random.Random(name), happenings(occasions, 0))])
    assert once == {f"{key}~0": ending for key, ending in endings.items()}
    found, counters = counters_of(tmp_path, flows, groups)
    assert found == {f"{key}~{seed}": ending for key, ending in endings.items() for seed in range(ORDERS)}
    assert counters == pytest.approx({key: ORDERS * value for key, value in counted.items()})
