"""The twelve flows: the page shows what happens, and in whatever order their events are read, that is what happens."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli import flows as commands
from flowtrail_collector.cli._app import cli
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.model.assessment import add_event
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from sagakit import Happening, core
from tools.docs.blocks import ROOT
from tools.docs.flow_examples import FOLDER, ORDER, endings_of, files_of, page

ORDERS = 100
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


@pytest.mark.parametrize("name", ORDER)
def test_in_whatever_order_they_are_read_they_end_as_they_should(name):
    """A hundred orders, with some events twice, deadlines looked at in between: one outcome, the same counts."""
    flows, occasions, endings = loaded(name)
    counted = set()
    for seed in range(ORDERS):
        chance, counts = random.Random(seed), Counter()
        sagas: dict[SagaKey, SagaRecord] = {}
        order = chance.sample(list(enumerate(occasions)), len(occasions))
        for number, occasion in (*order, *order[: chance.randint(0, 3)]):
            for flow in flows.by_type[occasion.type]:
                saga = sagas.setdefault(key := SagaKey(flow.name, occasion.key), SagaRecord(*key))
                add_event(saga.events, number, (occasion.at_ms, occasion.type, 0))
                bring_up_to_date(flow, saga, counts)
                if chance.random() < 0.1:
                    settle(flow, saga, 0, counts)
        for (flow, _), saga in sagas.items():
            settle(flows.by_name[flow], saga, FAR_MS, counts)
        assert {key: saga.outcome.value for (_, key), saga in sagas.items()} == endings
        counts.pop(("saga_late_events", (next(iter(flows.by_name)),)), None)
        counted.add(frozenset((key, round(value, 6)) for key, value in counts.items()))
    assert len(counted) == 1


@pytest.mark.parametrize("name", ORDER)
def test_a_collector_comes_to_the_same(tmp_path, name):
    """On a store, in portions, and opened anew between them."""
    flows, occasions, endings = loaded(name)
    chance = random.Random(name)
    # In life an instance's events share subject and correlation id, or one of them at least.
    happened = [
        Happening(item.type, 1_000 + item.at_ms, f"e{number}", flow=item.key, subject=item.key)
        for number, item in enumerate(occasions)
    ]
    chance.shuffle(happened)
    while happened:
        size = chance.randint(1, 8)
        with core(tmp_path, flows) as made:
            made.read(happened[:size], until_ms=0)
        happened = happened[size:]
    with core(tmp_path, flows) as made:
        made.pass_time(FAR_MS)
        with made.database.read() as connection:
            found = dict(connection.execute("SELECT key, outcome FROM sagas").fetchall())
    assert found == endings
