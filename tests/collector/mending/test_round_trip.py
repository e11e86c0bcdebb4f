"""Every kind of payload, every way to edit it: it goes byte for byte but for what was changed."""

from __future__ import annotations

import json
import threading

import pytest

from flowtrail_collector.cli import main
from redrivekit import DLQ
from redrivekit.forms import Site
from trailkit.web import served

pytestmark = pytest.mark.slow(0.5)

API = f"/api/v1/dead-letters/{DLQ}/0/0"
JSON_MEDIA = [("content-type", b"application/json")]
# Indented it is larger than what may be edited as it is.
LARGE = json.dumps([{"sku": f"SKU-{n}", "name": "an article's name, & = % é", "n": n} for n in range(12_000)])
DEEP = "[" * 400 + ",".join("1" * 3_000) + "]" * 400
VALUES = {
    "crlf": (b"UNB+UNOC:3'\r\nUNH+1+ORDERS'\r\n", []),
    "hl7": (b"MSH|^~\\&|A\rPID|1\r", []),
    "mixed": (b"\nfirst line empty\nsecond\r\nthird\rfourth  \n", []),
    "no line break": (b"ORD-1;1250;EUR", []),
    "line break": (b"ORD-1;1250;EUR\n", []),
    "xml with a BOM": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<a/>', []),
    "json with a BOM": (b'\xef\xbb\xbf{"a": 1}', []),
    "said to be json": (b'\xef\xbb\xbf{"a": 1,\r\n}', JSON_MEDIA),
    "no json at all": (b"\xff\xfe{", JSON_MEDIA),
    "invisible": (
        "12\u00a0€ \u00ad\u200b\u202e\u2028\x7f\x85\ufffd \\u{a0} \U0001f468\u200d\U0001f469".encode(),
        [],
    ),
    "html": (b"</textarea></pre>&amp;<b>", []),
    "binary": (b"\x00\x01\xff", []),
    "controls": (b"a\x1b[31m\x00", []),
    "empty": (b"", []),
    "none": (None, []),
    "json": (b'{"id": 23958446825181076828, "f": 1.10, "u": "\\u00e9\\/ \xc2\xa0", "dup": 1, "dup": 2}', []),
    "json, blanks": (b'{ "a":\r\n 1 }\r\n', []),
    "large json": (LARGE.encode(), []),
    "deep json": (DEEP.encode(), []),
}
KEYS = {"none": None, "empty": b"", "line": b"key\nline", "crlf": b"a\r\nb\t", "bidi": "\u202ekey\ufeff".encode(), "bytes": b"\xff\xfe",
        "mark": b"\\u{a0}"}  # fmt: skip


def by_form(site, tmp_path):
    action, fields = site.form()
    fields.update(headers="x=1", reason="r")
    review = site.send(action, fields)
    ((action, fields),) = site.forms(review.text).items()
    assert site.send(action, fields, 303).headers["location"].startswith("/redrives/")


def by_api(site, tmp_path):
    shown = site.post(f"{API}/payload", {})
    body = {"value": shown["value"]["text"], "headers": {"x": "1"}, "reason": "r"}
    site.post(f"{API}/edit", body, 202)


def by_command(site, tmp_path, capsysbinary):
    file = tmp_path / "value"
    with served(site.app) as url:
        assert main(["dlq", "payload", "o1", "--value-only", "--url", url]) == 0
        file.write_bytes(capsysbinary.readouterr().out)
        code = main(["dlq", "edit", "o1", "--value", str(file), "--header", "x=1", "--reason", "r", "--yes",
                     "--detach", "--url", url])  # fmt: skip
    assert code == 0, capsysbinary.readouterr().err


@pytest.fixture(params=["form", "api", "command"])
def edit(request, capsysbinary):
    """One way to give the payload back as it was shown, and add a header."""
    way = {"form": by_form, "api": by_api}.get(request.param)
    return way or (lambda site, tmp_path: by_command(site, tmp_path, capsysbinary))


@pytest.mark.parametrize("kind", list(VALUES))
def test_a_value_that_nobody_touched_goes_as_it_was(tmp_path, edit, kind):
    value, headers = VALUES[kind]
    with Site(tmp_path, value, headers=headers) as site:
        edit(site, tmp_path)
        site.work()
        (sent,) = site.kafka.published
        assert (sent.key, sent.value, sent.headers[-1]) == (b"key", value, ("x", b"1"))


@pytest.mark.parametrize("kind", list(KEYS))
def test_a_key_that_nobody_touched_goes_as_it_was(tmp_path, kind):
    with Site(tmp_path, b"{}", key=KEYS[kind]) as site:
        by_form(site, tmp_path)
        site.work()
        assert site.kafka.published[0].key == KEYS[kind]


@pytest.mark.parametrize("kind", ["large json", "deep json"])
def test_what_is_shown_can_be_changed(tmp_path, kind):
    value, _ = VALUES[kind]
    with Site(tmp_path, value) as site:
        action, fields = site.form()
        assert "1" in fields["value"]
        changed = fields["value"].replace("1", "7", 1)
        review = site.send(action, fields, value=changed, reason="r")
        ((action, fields),) = site.forms(review.text).items()
        site.send(action, fields, 303)
        site.work()
        sent = site.kafka.published[0].value
        assert json.loads(sent) == json.loads(value.replace(b"1", b"7", 1))


@pytest.mark.parametrize(
    ("value", "old", "new", "sent"),
    [
        (b"a\r\nb\r\n", "b\r\n", "c\r\nd\r\n", b"a\r\nc\r\nd\r\n"),
        (b"a\rb\r", "b", "c\r\nd", b"a\rc\rd\r"),
        (b"a\nb\r\n", "a", "c", b"c\nb\r\n"),
        (b"a\nb\r\n", "\\u{d}", "", b"a\nb\n"),
        ("\ufeff12\u00a0€".encode(), "12", "13", "\ufeff13\u00a0€".encode()),
        ("\ufeffa".encode(), "\\u{feff}", "", b"a"),
        (b"ab", "ab", "", b""),
        (b"", "", "a\r\nb", b"a\nb"),
    ],
)
def test_only_what_was_changed_is_changed(tmp_path, value, old, new, sent):
    with Site(tmp_path, value) as site:
        action, fields = site.form()
        review = site.send(action, fields, value=fields["value"].replace(old, new, 1), reason="r")
        ((action, fields),) = site.forms(review.text).items()
        site.send(action, fields, 303)
        site.work()
        assert site.kafka.published[0].value == sent


def test_the_review_shows_what_goes(tmp_path):
    with Site(tmp_path, b"a\r\nb\r\n") as site:
        action, fields = site.form()
        review = site.send(action, fields, value="a\r\nc\r\n", headers="x=\x01\u202e", reason="r").text
        assert "+c\\u{d}\n" in review
        assert "+\\u{1}\\u{202e}" in review
        assert "\ufffd" not in review
        ((action, fields),) = site.forms(review).items()
        site.send(action, fields, 303)
        site.work()
        (sent,) = site.kafka.published
        assert (sent.value, sent.headers[-1]) == (b"a\r\nc\r\n", ("x", "\x01\u202e".encode()))


def test_what_was_reviewed_is_what_goes_or_is_changed_again(tmp_path):
    with Site(tmp_path, b"a\r\nb") as site:
        action, fields = site.form()
        review = site.send(action, fields, value="a\r\nc", key="k2", reason="why")
        ((action, packed),) = site.forms(review.text).items()
        assert "expired" in site.send(action, packed, 403, edit=packed["edit"][:-4] + "AAAA").text
        ((_, again),) = site.forms(site.send(action, packed, again="yes").text).items()
        assert (again["value"], again["key"], again["reason"]) == ("a\r\nc", "k2", "why")
        assert again["value_shown"] == fields["value_shown"]
        assert site.store.jobs(1) == []


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"no_key": "yes"}, None, None),
        ({"no_key": "yes", "key": "other"}, b"key", "a new one is typed"),
        ({"no_key": "yes", "key": ""}, None, None),
        ({"key": ""}, b"key", "tick “Send it without a key”"),
        ({"key": "k\\u{a}2"}, b"k\n2", None),
    ],
)
def test_a_key_is_taken_away_plainly(tmp_path, changes, key, said):
    with Site(tmp_path, b"{}") as site:
        action, fields = site.form()
        answer = site.send(action, fields, 400 if said else 200, **{**changes, "reason": "r"})
        if said:
            assert said in answer.text
            return
        ((action, fields),) = site.forms(answer.text).items()
        site.send(action, fields, 303)
        site.work()
        assert site.kafka.published[0].key == key


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"value": '{"b": 1', "key": "k2"}, "value", "isn&#39;t JSON"),
        ({"value": "{}", "reason": " "}, "reason", "reason is required"),
        ({"value": "{}", "headers": "dlq.topic=x"}, "headers", "flowtrail writes it"),
        ({"value": "{}", "headers": "a=1\r\na=2"}, "headers", "a is there twice"),
        ({}, None, "nothing is changed"),
    ],
)
def test_a_slip_loses_nothing_that_was_typed(tmp_path, changes, field, said):
    with Site(tmp_path, b'{"a": 1}') as site:
        action, fields = site.form()
        typed = {**fields, "reason": "a long reason", "headers": "x=1" if changes else "", **changes}
        answer = site.send(action, typed, 400)
        assert said in answer.text
        assert 'id="problem" role="alert"' in answer.text
        assert answer.text.count('aria-describedby="problem"') == (field is not None)
        ((again, kept),) = site.forms(answer.text).items()
        assert again == action
        for name in ("value", "key", "headers", "reason", "value_shown", "key_shown", "line_end"):
            assert kept[name] == typed[name], name
        assert site.store.jobs(1) == []


@pytest.mark.parametrize("trouble", ["down", "gone", "redriven", "no token"])
def test_where_there_is_no_form_what_was_typed_is_shown_back(tmp_path, trouble):
    with Site(tmp_path, b"{}") as site:
        action, fields = site.form()
        typed = {**fields, "value": '{"typed": "for ten minutes"}', "reason": "r"}
        status = {"down": 503, "no token": 403}.get(trouble, 400)
        if trouble == "down":
            site.kafka.down = True
        elif trouble == "gone":
            site.kafka.records.clear()
        elif trouble == "redriven":
            with site.database.transaction() as connection:
                connection.execute("UPDATE dead_letters SET state = ?", (trouble,))
        else:
            typed["form_token"] = "0" * 64
        text = site.send(action, typed, status).text
        assert "What you typed" in text
        assert "for ten minutes" in text
        ((again, kept),) = site.forms(text).items()
        assert again == action
        assert {name: text for name, text in kept.items() if text} == {
            name: text for name, text in typed.items() if text
        }


def test_what_is_in_no_form_of_ours_isnt_shown_back_to_programs(tmp_path):
    with Site(tmp_path, b"{}") as site:
        action, fields = site.form()
        answer = site.browser.post(action, data={**fields, "form_token": "0"}, headers={"accept": "*/*"})
        assert (answer.status_code, list(answer.json())) == (403, ["error"])


@pytest.mark.parametrize(
    ("value", "typed", "sent", "noted"),
    [
        (b"ORD-1;1250", b"ORD-1;1300\n", b"ORD-1;1300", True),
        (b"ORD-1;1250", b"ORD-1;1300\r\n", b"ORD-1;1300", True),
        (b"ORD-1;1250", b"ORD-1;1300\n\n", b"ORD-1;1300\n", True),
        (b"ORD-1;1250\n", b"ORD-1;1300\n", b"ORD-1;1300\n", False),
        (b"ORD-1;1250\n", b"ORD-1;1300", b"ORD-1;1300", False),
        (b"\n", b"", b"", False),
        (b'{"a":1}', b'{"a": 2}\n', b'{"a":2}', False),
    ],
)
def test_the_line_break_that_an_editor_adds(tmp_path, capsys, value, typed, sent, noted):
    file = tmp_path / "value"
    file.write_bytes(typed)
    with Site(tmp_path, value) as site, served(site.app) as url:
        code = main(
            ["dlq", "edit", "o1", "--value", str(file), "--reason", "r", "--yes", "--detach", "--url", url]
        )
        err = capsys.readouterr().err
        assert code == 0, err
        assert ("line break at the end" in err) == noted
        site.redriver._do(site.store.next_job(), threading.Event())
        assert site.kafka.published[0].value == sent


def test_a_null_header_isnt_the_text_null(tmp_path, capsys):
    with Site(
        tmp_path, b"{}", headers=[("gone", None), ("said", b"null"), ("bom", b"\xef\xbb\xbfx")]
    ) as site:
        with served(site.app) as url:
            assert main(["dlq", "payload", "o1", "--url", url]) == 0
        out = capsys.readouterr().out
        for line in ("header  gone (null)\n", "header  said: null\n", "header  bom: \\u{feff}x\n"):
            assert line in out


def test_one_too_large_to_be_shown_isnt_emptied(tmp_path):
    with Site(tmp_path, b"x" * 1_100_000) as site:
        shown = site.post(f"{API}/payload", {})["value"]
        assert (shown["text"], shown["editable"]) == ("", False)
        for text in ("", "y"):
            body = {"value": text, "headers": {"x": "1"}, "reason": "r"}
            assert "neither shown nor edited" in site.post(f"{API}/edit", body, 400)["error"]
        by_form(site, tmp_path)
