"""The table of options fills the sections, and says their defaults as a user would write them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli
from flowtrail_collector.settings import SETTINGS, CollectorConfig, KafkaConfig, Kind, Setting
from flowtrail_collector.units import parse_duration

# What programs may set and users have had no need to.
WITHOUT_OPTION = {"spans.max_body_bytes", "spans.queue_spans", "spans.max_spans"}
SECTIONS = ("kafka", "web", "spans", "retention", "push")
CONFIG = CollectorConfig(KafkaConfig(""))


def value_of(config: CollectorConfig, field: str) -> object:
    section, _, name = field.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.option)
def test_a_default_reads_as_the_field_has_it(setting: Setting) -> None:
    expected = value_of(CONFIG, setting.field)
    if setting.kind is Kind.DURATION:
        assert parse_duration(setting.default) == expected
    elif setting.kind is Kind.STORE:
        assert Path(setting.default) == expected
    else:
        assert setting.default == expected


def test_every_field_of_a_section_has_its_option() -> None:
    named = [setting.field for setting in SETTINGS]
    assert len(set(named)) == len(named)
    there = {f"{name}.{field.name}" for name in SECTIONS for field in fields(getattr(CONFIG, name))}
    own = {field.name for field in fields(CONFIG)} - {*SECTIONS, "lag"}
    of_lag = {name for name in named if name.startswith("lag.")}
    assert set(named) - of_lag == (there | own) - WITHOUT_OPTION


def test_run_without_options_has_the_sections_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CollectorConfig] = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    for setting in SETTINGS:
        for variable in (*setting.variables, setting.variables[0].removesuffix("_FILE")):
            monkeypatch.delenv(variable, raising=False)
    CliRunner().invoke(cli, ["collector", "run", "--bootstrap-servers", "a:1"], catch_exceptions=False)
    assert seen == [CollectorConfig(KafkaConfig("a:1"))]


def test_a_store_with_a_password_is_refused_on_the_command_line_and_taken_from_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[CollectorConfig] = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    url = "postgresql://user:secret@host/database"
    arguments = ["collector", "run", "--bootstrap-servers", "a:1"]
    refused = CliRunner().invoke(cli, [*arguments, "--store", url])
    assert "PGPASSFILE" in str(refused.exception)
    CliRunner().invoke(cli, arguments, env={"FLOWTRAIL_STORE": url}, catch_exceptions=False)
    assert [config.store for config in seen] == [url]
