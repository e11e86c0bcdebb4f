"""docs/dead-letters.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from starlette.routing import Route

from flowtrail_collector.cli.dlq import dlq
from flowtrail_collector.dead_letters.mending.web import mending_routes
from flowtrail_collector.dead_letters.metrics import DeadLetterMetrics
from flowtrail_collector.dead_letters.model.letter import STATES
from flowtrail_collector.dead_letters.ports import DEFAULT_REPLAY_LIMIT
from flowtrail_collector.dead_letters.redrive_metrics import RedriveMetrics
from flowtrail_collector.dead_letters.redriver import BATCH
from flowtrail_collector.dead_letters.web.routes import DeskRoutes
from redrivekit import NoRedrives

PAGE = (Path(__file__).parents[3] / "docs" / "dead-letters.md").read_text()
OPTIONS = {
    name
    for command in dlq.commands.values()
    for option in command.params
    if isinstance(option, click.Option)
    for name in option.opts
}


def test_every_option_named_exists():
    of_the_collector = {"--dead-letter-topics", "--show-payloads", "--schema-registry"}
    named = set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) - of_the_collector
    assert named <= OPTIONS


@pytest.mark.parametrize("command", ["redrive", "dismiss", "payload", "edit"])
def test_every_option_of_what_changes_something_is_named(command):
    common = {"--url", "--token", "--json"}
    for option in dlq.commands[command].params:
        if isinstance(option, click.Argument):
            continue
        assert option.opts[0] in common or option.opts[0] in PAGE or option.opts[0] in ("-h",)


@pytest.mark.parametrize("state", STATES)
def test_every_state(state):
    assert f"| `{state}` |" in PAGE


def test_figures():
    assert f"at most {BATCH} is published" in PAGE
    assert f"(default {DEFAULT_REPLAY_LIMIT})" in PAGE


def test_every_metric():
    class Store(NoRedrives):
        def redriven_counts(self):
            return {}

        def pending_dead_letters(self):
            return []

        def counters(self, prefix):
            return {}

    families = [*RedriveMetrics(Store()).families(), *DeadLetterMetrics(Store()).families()]
    for family in families:
        assert f"`{family.name}{'_total' if family.type == 'counter' else ''}`" in PAGE


def test_every_route():
    for route in [*DeskRoutes(None).routes(), *mending_routes(None)]:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), route.path)
        assert path in PAGE, path
