"""The table of options fills the sections, and says their defaults as a user would write them."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli
from flowtrail_collector.settings import SETTINGS, CollectorConfig, KafkaConfig, Kind, Setting
from flowtrail_collector.units import parse_duration

# What programs may set and users have had no need to.
WITHOUT_OPTION = {
    "web.oidc",
    "web.form_secret",
    "spans.max_body_bytes",
    "spans.queue_spans",
    "spans.max_spans",
}
SECTIONS = ("kafka", "rabbitmq", "web", "web.oidc", "spans", "retention", "push")
CONFIG = CollectorConfig(KafkaConfig(""))


def value_of(config: CollectorConfig, field: str) -> object:
    found: object = attrgetter(field)(config)
    return found


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
    there = {f"{name}.{field.name}" for name in SECTIONS for field in fields(attrgetter(name)(CONFIG))}
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


@pytest.mark.parametrize(
    ("option", "url", "said"),
    [
        ("store", "postgresql://user:secret@host/database", "PGPASSFILE"),
        ("rabbitmq", "amqp://user:secret@host/vhost", "FLOWTRAIL_RABBITMQ_PASSWORD"),
    ],
)
def test_a_password_is_refused_on_the_command_line_and_taken_from_the_variable(
    monkeypatch: pytest.MonkeyPatch, option: str, url: str, said: str
) -> None:
    seen: list[CollectorConfig] = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    arguments = ["collector", "run", "--bootstrap-servers", "a:1"]
    refused = CliRunner().invoke(cli, [*arguments, f"--{option}", url])
    assert said in str(refused.exception)
    assert "secret" not in str(refused.exception)
    (setting,) = (each for each in SETTINGS if each.option == option)
    CliRunner().invoke(cli, arguments, env={setting.variables[0]: url}, catch_exceptions=False)
    assert [value_of(config, setting.field) for config in seen] == [url]


def test_a_password_of_rabbitmq_may_stand_in_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[CollectorConfig] = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    given = ["--rabbitmq", "amqp://ann@broker/shop", "--rabbitmq-password-file", str(tmp_path / "password")]
    CliRunner().invoke(cli, ["collector", "run", *given], catch_exceptions=False)
    (config,) = seen
    assert config.rabbitmq.credentials == ("ann", "s3cret")
    assert (config.rabbitmq.shown, config.rabbitmq.vhost) == ("broker:5672/shop", "shop")
    assert config.rabbitmq.management_url == "http://broker:15672"
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no broker given"),
        ({"rabbitmq": "http://host"}, "--rabbitmq takes an address"),
        ({"rabbitmq": "amqp://ann:s3cret@host:x"}, "--rabbitmq takes an address"),
        ({"rabbitmq-exchanges": "("}, "--rabbitmq-exchanges"),
        ({"rabbitmq-management": "host:15672"}, "--rabbitmq-management"),
        ({"rabbitmq-management": "http://ann:s3cret@host:15672"}, "--rabbitmq-management"),
        ({"rabbitmq-queue": "amq.mine"}, "--rabbitmq-queue"),
        ({"rabbitmq-max-age": "1s"}, "--rabbitmq-max-age"),
        ({"rabbitmq-max-size": "10kB"}, "--rabbitmq-max-size"),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_rabbitmq_is_named(given: dict[str, str], said: str) -> None:
    if given and "rabbitmq" not in given:
        given = {"rabbitmq": "amqp://host", **given}
    environment = {f"FLOWTRAIL_{name.upper().replace('-', '_')}": text for name, text in given.items()}
    refused = CliRunner().invoke(cli, ["collector", "run"], env=environment)
    assert said in str(refused.exception)
    assert "s3cret" not in str(refused.exception)
