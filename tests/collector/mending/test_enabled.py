"""Payloads are shown only where that was asked for, and somebody may write."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.dead_letters.mending.web import NO_PAYLOADS
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, WebConfig
from flowtrail_collector.settings.table import SETTINGS

READ, WRITE, SEE = "r" * 24, "w" * 24, "p" * 24
API, PAGE = "/api/v1/dead-letters/dlq/0/0", "/dead-letters/dlq/0/0"


def test_by_default_they_arent():
    assert WebConfig().show_payloads is False
    (setting,) = [setting for setting in SETTINGS if setting.option == "show-payloads"]
    assert setting.variables == ("FLOWTRAIL_SHOW_PAYLOADS",)


@pytest.mark.parametrize(
    ("listen", "token", "write_token", "allowed"),
    [
        ("127.0.0.1:0", None, None, True),
        ("127.0.0.1:0", READ, None, False),
        ("127.0.0.1:0", READ, WRITE, True),
        ("127.0.0.1:0", None, WRITE, True),
        ("0.0.0.0:0", READ, None, False),
        ("0.0.0.0:0", READ, WRITE, True),
        ("0.0.0.0:0", None, None, False),
    ],
)
def test_only_where_somebody_may_write(listen, token, write_token, allowed):
    config = WebConfig(listen, token, insecure=True, write_token=write_token, show_payloads=True)
    if allowed:
        config.validate()
        return
    with pytest.raises(ConfigurationError, match="--write-token-file") as caught:
        config.validate()
    assert "\n" not in str(caught.value)


@pytest.mark.slow(2)
def test_with_a_payload_token_the_write_token_shows_nothing(tmp_path):
    """Every route that leads to a payload, of the API and of the console."""
    web = WebConfig(token=READ, write_token=WRITE, payload_token=SEE, show_payloads=True)
    config = CollectorConfig(KafkaConfig("127.0.0.1:9"), store=tmp_path / "s.sqlite", web=web)
    collector = build_collector(config)
    try:
        client = TestClient(collector.app, base_url="http://127.0.0.1")
        routes = [getattr(route, "path", "") for route in collector.routes]
        paths = [path for path in routes if path.endswith(("/payload", "/edit"))]
        assert len(paths) == 4
        for path in (path.format(topic="dlq", partition=0, offset=0) for path in paths):
            body = (
                {"data": {"form_token": "x"}}
                if path.startswith("/dead")
                else {"json": {"reason": "r", "key": "k"}}
            )
            status = {
                token: client.post(path, **body, headers={"authorization": f"Bearer {token}"})
                for token in (READ, WRITE, SEE)
            }
            assert [status[token].status_code for token in (READ, WRITE)] == [401, 401]
            assert "write" in status[READ].headers["www-authenticate"]
            assert "payload" in status[WRITE].headers["www-authenticate"]
            assert "--payload-token-file" in status[WRITE].json()["error"]
            # A form that isn't ours; names that aren't taken; a dead letter that isn't known.
            assert status[SEE].status_code in (403, 400, 404)
    finally:
        collector.close()


@pytest.mark.slow(2)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_whole_collector(tmp_path, enabled):
    web = WebConfig(show_payloads=enabled)
    collector = build_collector(
        CollectorConfig(KafkaConfig("127.0.0.1:9"), store=tmp_path / "s.sqlite", web=web)
    )
    try:
        client = TestClient(collector.app, base_url="http://127.0.0.1")
        for what, body in (("payload", {}), ("edit", {"reason": "r", "key": "k"})):
            error = client.post(f"{API}/{what}", json=body).json()["error"]
            assert error == ("no such dead letter" if enabled else NO_PAYLOADS)
            # A form that isn't ours: where there is a page, it says so.
            status = client.post(f"{PAGE}/{what}", data={"form_token": "x"}).status_code
            assert status == (403 if enabled else 404)
    finally:
        collector.close()
