"""The console's payload pages, as a browser without scripts sees them."""

from __future__ import annotations

import json

import pytest

from redrivekit.forms import LETTER, Site

pytestmark = pytest.mark.slow(0.3)

EVIL = "</textarea></pre><script>alert(1)</script>'\"&<b>"
VALUE = {"evil": EVIL, "hidden": "a\u00a0b", "total_cents": -5}


@pytest.fixture
def site(tmp_path):
    value = json.dumps(VALUE, ensure_ascii=False).encode()
    with Site(tmp_path, value, headers=[(EVIL, EVIL.encode())]) as site:
        yield site


def test_from_the_dead_letter_over_its_payload_and_the_changes_to_the_redrive(site):
    ((action, fields),) = site.open().items()
    payload = site.send(action, fields)
    assert payload.headers["cache-control"] == "no-store"
    ((action, fields),) = site.forms(payload.text).items()
    assert json.loads(fields["value"]) == VALUE
    value = fields["value"].replace("-5", "5")
    review = site.send(action, fields, value=value, headers="tenant=a=b\r\n\r\nce_type\r\n", reason=EVIL)
    assert "+  &#34;total_cents&#34;: 5" in review.text
    assert site.store.jobs(1) == []
    ((action, fields),) = site.forms(review.text).items()
    sent = site.send(action, fields, 303)
    (job,) = site.store.jobs(1)
    assert sent.headers["location"] == f"/redrives/{job.id}"
    site.work()
    (record,) = site.kafka.published
    assert json.loads(record.value) == {**VALUE, "total_cents": 5}
    assert record.key == b"key"
    headers = dict(record.headers)
    assert headers["tenant"] == b"a=b"
    assert "ce_type" not in headers
    site.forms(site.browser.get(f"/redrives/{job.id}").text)
    site.forms(site.browser.get("/redrives").text)
    done = site.open()
    (edits,) = [site.send(action, fields).text for action, fields in done.items()]
    assert site.forms(edits) == {}
    assert "Edits" in edits


@pytest.mark.parametrize(
    "value", [json.dumps(VALUE).encode(), b"plain\ntext", b'"\\u00e9"', b"\xff\xfe", None]
)
def test_sent_as_it_was_shown_nothing_is_changed(tmp_path, value):
    with Site(tmp_path, value) as site:
        ((action, fields),) = site.open().items()
        ((action, fields),) = site.forms(site.send(action, fields).text).items()
        assert "nothing is changed" in site.send(action, fields, 400, reason="r").text


def test_what_is_wrong_is_said_and_nothing_sent(site):
    ((action, fields),) = site.open().items()
    ((action, fields),) = site.forms(site.send(action, fields).text).items()
    assert "JSON" in site.send(action, fields, 400, value="{", reason="r").text
    assert "reason is required" in site.send(action, fields, 400, value="{}").text
    assert site.store.jobs(1) == []


def test_a_form_without_its_token_or_from_elsewhere_shows_nothing(site):
    ((action, fields),) = site.open().items()
    assert "expired" in site.send(action, fields, 403, form_token="0" * 64).text
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert site.browser.post(action, data=fields, headers=headers).status_code == 403
    site.browser.cookies.clear()
    site.send(action, fields, 403)
    edit = action.replace("/payload", "/edit")
    site.send(edit, {"key": "x", "reason": "r", "confirm": "yes"}, 403)
    assert site.store.writes(10) == []
    assert site.store.jobs(1) == []


@pytest.mark.parametrize("values", [{"writable": False}, {"payloads": False}])
def test_where_it_isnt_allowed_there_is_no_button(tmp_path, values):
    with Site(tmp_path, b"{}", **values) as site:
        assert site.open() == {}
        if not values.get("payloads", True):
            assert site.browser.post(f"{LETTER}/payload", data={}).status_code == 404
