"""What can be set about people and roles, and the one line that says what is wrong with it."""

from __future__ import annotations

import socket
import sys

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.run import check_collector
from flowtrail_collector.settings import (
    SETTINGS,
    CollectorConfig,
    KafkaConfig,
    OidcConfig,
    WebConfig,
)
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.access.ports import ProviderUnreachableError
from flowtrail_collector.web.access.provider import checked_discovery, discover
from flowtrail_collector.web.access.wire import wire

ISSUER = "https://login.example/realms/ops"
GOOD = {"issuer": ISSUER, "client_id": "flowtrail", "roles": ("write=oncall",)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuer": "login.example"}, "--oidc-issuer takes an address"),
        ({"issuer": "ftp://login.example"}, "--oidc-issuer takes an address"),
        ({"issuer": "https://"}, "--oidc-issuer takes an address"),
        ({"issuer": "https://login.example/?a=b"}, "--oidc-issuer takes an address"),
        ({"issuer": "https://a:b@login.example"}, "--oidc-issuer takes an address"),
        ({"issuer": "https://[::1"}, "--oidc-issuer takes an address"),
        ({"issuer": "http://login.example"}, "takes https"),
        ({"client_id": ""}, "--oidc-issuer needs --oidc-client-id"),
        ({"client_secret": "short"}, "too short"),
        ({"roles": ()}, "nobody has a role"),
        ({"roles": ("oncall",)}, "--oidc-role takes"),
        ({"roles": ("admin=oncall",)}, "--oidc-role takes"),
        ({"roles": ("none=oncall",)}, "--oidc-role takes"),
        ({"roles": ("write=",)}, "--oidc-role takes"),
        ({"roles": ("write=oncall", "=x")}, "--oidc-role takes"),
        ({"role_claim": ""}, "--oidc-role-claim takes"),
        ({"session_seconds": 1.0}, "--oidc-session takes"),
        ({"session_seconds": 1e9}, "--oidc-session takes"),
        ({"issuer": ""}, "need --oidc-issuer"),
        ({"issuer": "", "client_id": "", "roles": (), "default_role": "read"}, "need --oidc-issuer"),
    ],
)
def test_what_cant_be_used(changed, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        OidcConfig(**{**GOOD, **changed}).validate()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed", [{}, {"issuer": "http://127.0.0.1:5556/dex"}, {"roles": (), "default_role": "read"}]
)
def test_what_can(changed):
    OidcConfig(**{**GOOD, **changed}).validate()


def test_every_option_reaches_its_section(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    secret = tmp_path / "secret"
    secret.write_text("s" * 32 + "\n")
    options = [
        "--bootstrap-servers", "a:1", "--oidc-issuer", ISSUER, "--oidc-client-id", "flowtrail",
        "--oidc-client-secret-file", str(secret), "--oidc-role", "write=on call",
        "--oidc-role", "payload=privacy=officers", "--oidc-default-role", "read", "--oidc-audience", "api",
        "--oidc-scope", "roles", "--oidc-session", "30m",
    ]  # fmt: skip
    CliRunner().invoke(cli, ["collector", "run", *options], catch_exceptions=False)
    (config,) = seen
    assert config.web.access.people
    assert config.web.shared_secret == "s" * 32
    login = config.web.login
    assert login.rules.roles == ((Role.WRITE, "on call"), (Role.PAYLOAD, "privacy=officers"))
    assert (login.rules.default, login.session_seconds) == (Role.READ, 1800.0)
    assert (login.audiences, login.scopes, login.client_secret) == (("api",), ("roles",), "s" * 32)
    assert CollectorConfig(KafkaConfig("")).web.login is None


def test_the_client_secret_comes_from_a_file_or_a_variable():
    (setting,) = [setting for setting in SETTINGS if setting.option == "oidc-client-secret-file"]
    assert setting.variables[0].removesuffix("_FILE") == "FLOWTRAIL_OIDC_CLIENT_SECRET"
    assert not [setting for setting in SETTINGS if setting.option == "oidc-client-secret"]


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"payload_token": "short"}, "too short"),
        ({"payload_token": "t" * 20, "token": "t" * 20}, "payload token must differ"),
        ({"payload_token": "t" * 20, "write_token": "t" * 20}, "payload token must differ"),
        # who logs in doesn't speak for scrapers and exporters from other machines
        ({"listen": "0.0.0.0:1", "oidc": OidcConfig(**GOOD)}, "--insecure"),
    ],
)
def test_tokens_that_cant_be_used(web, said):
    with pytest.raises(ConfigurationError, match=said):
        WebConfig(**web).validate()


@pytest.mark.parametrize(
    "web",
    [
        {"token": "t" * 20, "oidc": OidcConfig(**GOOD), "show_payloads": True},
        {"token": "t" * 20, "payload_token": "p" * 20, "show_payloads": True},
        {"listen": "0.0.0.0:1", "token": "t" * 20, "oidc": OidcConfig(**GOOD)},
    ],
)
def test_tokens_that_can(web):
    WebConfig(**web).validate()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "isn't an OpenID provider"),
        ({}, "calls itself 'None'"),
        ({"issuer": ISSUER + "/"}, "use exactly that name"),
        ({"issuer": ISSUER}, "no usable authorization_endpoint"),
        (
            {"issuer": ISSUER, "authorization_endpoint": "javascript:alert(1)"},
            "no usable authorization_endpoint",
        ),
    ],
)
def test_a_provider_that_is_another_one(document, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        checked_discovery(document, ISSUER)
    assert "\n" not in str(caught.value)


def test_a_provider_that_isnt_there(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(ProviderUnreachableError, match="refused") as caught:
            discover(issuer)
        assert "\n" not in str(caught.value)
        web = WebConfig("127.0.0.1:0", oidc=OidcConfig(**{**GOOD, "issuer": issuer}))
        config = CollectorConfig(KafkaConfig(""), store=tmp_path / "s.sqlite", web=web)
        ((_, problem, code),) = [found for found in check_collector(config) if found[0] == "oidc"]
    assert code == 3
    assert "the OIDC provider doesn't answer" in problem


def test_without_its_package_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("flowtrail_collector.web.access.")]:
        if name.rpartition(".")[2] in ("login", "provider", "sealing", "jwt"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ConfigurationError, match=r"pip install '\.\[oidc\]' in a checkout"):
        wire(OidcConfig(**GOOD).login("x"), on_error=lambda part, error: None)
