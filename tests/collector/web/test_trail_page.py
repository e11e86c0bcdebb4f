"""A trail's page, as people read it: round numbers, causes, each reason once, one word for how it stands, what to click."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flowtrail_collector.cli._trail_view import TrailView
from flowtrail_collector.console import trail_document
from flowtrail_collector.console._trail_axis import breaks, ticks
from flowtrail_collector.console._trail_next import next_of
from flowtrail_collector.console._trail_rows import entry_rows
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.model.view import SagaView
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.drawing import TimeScale, rows_of
from flowtrail_collector.trails.json import trail_json
from trailkit import orders

LATE = orders.START_MS + 100_000
_UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


def trail_of(story, now_ms=LATE, **changes):
    return trail_json(assemble(replace(story(), **changes), now_ms=now_ms))


def seconds_of(label):
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(µs|ms|s|m|h|d)", label))


@given(st.floats(1e-5, 1e8))
def test_ticks_are_at_round_numbers_and_their_labels_say_so(total):
    scale = TimeScale(total)
    found = ticks(scale)
    assert found[0] == (0.0, "0")
    labelled = [(place, label) for place, label in found if label]
    assert len(labelled) >= 2
    for place, label in labelled[1:]:
        seconds = seconds_of(label)
        assert place == pytest.approx(scale.place(seconds) * 1000, abs=0.5), label
        # `1.5s`, `150ms`, `12h`; with two units the second is round, too: `1m 20s`, `2h 30m`, `1d 12h`.
        first, *second = re.findall(r"([\d.]+)(\S*)", label)
        assert len(re.sub(r"\D|0", "", first[0])) <= 3, label
        assert all(unit == "h" or int(number) % 5 == 0 for number, unit in second), label
    places = [place for place, _ in labelled]
    assert min(b - a for a, b in pairwise(places)) >= 180


def test_where_it_goes_on_after_a_break_has_a_label_and_the_break_its_length():
    scale = TimeScale.of(300.3, [(0, 0.2), (300.0, 300.3)])
    (gap,) = breaks(scale)
    assert gap.words == "5m 00s"
    labels = {label for _, label in ticks(scale)}
    assert "0" in labels
    assert "5m 00s" in labels
    trail = trail_of(orders.redriven)
    assert "nothing happened, drawn short: 1m 35s" in trail_document(trail, "ord-1")


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=8))
def test_lengths_of_breaks_have_room_beside_each_other(bursts):
    busy, at = [], 0.0
    for length in bursts:
        busy.append((at, at + length))
        at += length + 600
    gaps = tuple((end, start) for (_, end), (start, _) in pairwise(busy))
    found = breaks(TimeScale(busy[-1][1], gaps, (0.06,) * len(gaps)))
    assert len(found) == len(gaps)
    places = [each.x + each.width / 2 for each in found if each.label]
    assert places
    assert all(b - a >= 110 for a, b in pairwise(places))
    assert {each.label for each in found} <= {"", *(each.words for each in found)}


@pytest.mark.parametrize("story", [orders.completed, orders.declined, orders.poisoned, orders.redriven])
def test_each_effect_stands_to_the_right_of_its_cause(story):
    trail = trail_of(story)
    rows = entry_rows(trail, rows_of(trail))
    assert max(row.indent for row in rows) > 2
    for row in rows:
        if row.cause is not None:
            cause = rows[row.cause]
            assert cause.number < row.number
            assert row.indent == min(cause.indent + 1, 9)
            # What isn't seen from the row above is said, and leads there.
            assert bool(row.cause_name) is (row.cause != row.number - 1)
    page = trail_document(trail, "ord-1")
    for row in rows:
        if row.cause_name:
            assert f'href="#row-{row.cause + 1}"' in page
            assert f'id="row-{row.cause + 1}"' in page


def test_rows_of_a_later_page_lead_nowhere_they_arent_drawn():
    trail = trail_of(orders.completed)
    rows = entry_rows(trail, rows_of(trail)[5:], 5)
    assert rows[0].number == 5
    assert rows[0].cause is None
    assert all(row.cause is None or row.cause >= 5 for row in rows)


def test_the_same_error_is_told_once():
    page = trail_document(trail_of(orders.poisoned), "ord-1")
    assert page.count("<strong>ValueError</strong> total_cents is negative") == 1
    assert page.count("the same error") == 3
    other = trail_of(orders.poisoned)
    failed = [entry for entry in other["entries"] if entry.get("error")]
    failed[1]["error"] = {"type": "KeyError", "message": "tenant"}
    page = trail_document(other, "ord-1")
    assert page.count("<strong>ValueError</strong>") == 2
    assert page.count("<strong>KeyError</strong>") == 1


def test_what_comes_later_is_no_alarm_and_what_is_missing_is_told_once():
    page = trail_document(trail_of(orders.poisoned), "ord-1")
    assert page.count("expects PaymentCompleted or PaymentFailed") == 1
    assert '<p class="expects">expects OrderShipped</p>' in page


@pytest.mark.parametrize("by", ["alice", None])
def test_a_redrive_is_named_after_who_did_it(by):
    inputs = orders.redriven()
    (again,) = [
        event for event in inputs.events
        if event.type == "StockReserved" and not event.dead_letter and event.time_ms - orders.START_MS > 90_000
    ]  # fmt: skip
    places = {(again.topic, again.partition, again.offset): by} if by else {}
    trail = trail_of(orders.redriven, redriven_by=places)
    (entry,) = [entry for entry in trail["entries"] if entry["kind"] == "redrive"]
    beside = trail_of(orders.redriven, redriven_by=places)
    for each in beside["entries"]:
        each["service"] = "billing"
    drawn = {row.entry["id"]: row.new_service for row in rows_of(beside)}
    assert drawn[entry["id"]] is bool(by)
    assert entry.get("by") == by
    assert entry["service"] == "flowtrail"
    row = re.search(r'<tr id="[^"]+" class="redrive.*?</th>', trail_document(trail, "ord-1"), re.DOTALL)[0]
    assert f">{by or 'flowtrail'}</th>" in row
    told = io.StringIO()
    TrailView(Console(file=told, width=120), trail).print()
    assert re.search(rf"^ *{by or 'flowtrail'} .*redrive StockReserved", told.getvalue(), re.MULTILINE)


def test_what_the_audit_knows_is_a_redrive_even_if_nothing_else_is_left_of_its_event():
    inputs = orders.redriven()
    letter = next(event for event in inputs.events if event.dead_letter)
    (again,) = (
        event
        for event in inputs.events
        if event.event_id == letter.event_id and event.time_ms > letter.time_ms
    )
    place = (again.topic, again.partition, again.offset)
    trail = trail_of(orders.redriven, events=(letter, again), spans=(), redriven_by={place: "alice"})
    assert [(entry["kind"], entry.get("by")) for entry in trail["entries"]] == [
        ("dead_letter", None), ("redrive", "alice"),
    ]  # fmt: skip


@pytest.mark.parametrize(("now_ms", "word"), [(LATE, "stuck"), (orders.START_MS + 1000, "open")])
def test_terminal_and_console_say_the_same_of_an_order(now_ms, word):
    trail = trail_of(orders.poisoned, now_ms)
    assert trail["sagas"][0]["outcome"] == "open"
    told = io.StringIO()
    TrailView(Console(file=told, width=120), trail).print()
    assert re.search(rf"order-fulfilment\W+{word}\b", told.getvalue())
    assert f">{word}</span>" in trail_document(trail, "ord-1")


def test_another_flows_lateness_doesnt_make_one_stuck():
    inputs = orders.poisoned()
    done = SagaView("returns", "r-1", "open", orders.START_MS)
    trail = trail_of(orders.poisoned, sagas=(*inputs.sagas, done))
    page = trail_document(trail, "ord-1")
    assert re.search(r"returns</strong>\s*<span[^>]*>open<", page)
    assert re.search(r"order-fulfilment</strong>\s*<span[^>]*>stuck<", page)


def test_what_to_click_next_leads_to_what_holds_it_up():
    letter = orders.poisoned().dead_letters[0]
    assert isinstance(letter, DeadLetter)
    trail = trail_of(orders.poisoned)
    group = {
        "verdict": "stopped",
        "lag": 4,
        "catching_up": False,
        "catch_up_seconds": None,
        "status": "stopped",
    }
    links = next_of(
        trail,
        {"billing": group}.get,
        {orders.TRACE: f"https://jaeger.example/{orders.TRACE}"},
        "https://grafana.example/d/x",
    )
    told = [(link.text, link.address, link.urgent) for link in links]
    assert told == [
        (
            "Dead letter of billing",
            f"/dead-letters/{letter.topic}/{letter.partition}/{letter.offset}",
            True,
        ),
        ("Group billing: stopped, 4 messages unread, time to catch up never", "/lag?group=billing", True),
        ("Map of order-fulfilment", "/map?flow=order-fulfilment", False),
        ("History of order-fulfilment", "/history?flow=order-fulfilment", False),
        ("Trace", f"https://jaeger.example/{orders.TRACE}", False),
        ("Grafana", "https://grafana.example/d/x", False),
    ]
    assert [link.here for link in links] == [True] * 4 + [False] * 2


def test_a_group_that_isnt_known_is_no_link():
    assert not [link for link in next_of(trail_of(orders.silent), {}.get, {}, None) if "Group" in link.text]


def test_a_document_has_no_links_that_lead_out_of_it():
    page = trail_document(trail_of(orders.poisoned), "ord-1")
    assert all(address.startswith("#row-") for address in re.findall(r'href="([^"]*)"', page))


@pytest.mark.parametrize(
    ("service", "column"),
    {
        "billing": "trail",
        "Billing.Consumers.Charge": "trail",
        "Billing.Consumers.ChargeConsumer": "trail wide",
        "notification-sender": "trail wide",
        "Billing.Consumers.PaymentConfirmationConsumer": "trail widest",
        "n" * 200: "trail widest",
    }.items(),
)
def test_the_column_of_services_is_as_wide_as_their_names_need(service, column):
    trail = trail_of(orders.completed)
    trail["entries"][0]["service"] = service
    assert f'<table class="{column}">' in trail_document(trail, "ord-1")
