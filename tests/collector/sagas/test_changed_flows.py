"""A changed flow file applies to what is open: once, whatever is counted already, and however often it is begun."""

from __future__ import annotations

from collections import namedtuple

import pytest

from sagakit import Happening, core

FILE = """\
flows:
  orders:
    starts: Placed
    steps:
      pay: {{done: Paid, within: {pay}}}
      ship: {{done: Shipped, within: {ship}}}
    completes: Shipped
    within: {whole}
"""
LateStep = namedtuple("LateStep", "flow step instances")
OTHER = "flows: {other: {starts: A, completes: B}}"


def rules(pay="10s", ship="10s", whole="60s"):
    return FILE.format(pay=pay, ship=ship, whole=whole)


def placed(count=1):
    return [Happening("Placed", 1_000, flow=f"f{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("changed", "kinds", "ended", "missed"),
    [
        (rules(), {"open": 2}, {}, 0),
        (rules(pay="2s"), {"open": 2, "stuck": 2}, {}, 2),
        (rules(whole="3s"), {}, {"timed_out": 2}, 0),
        (rules(pay="20s"), {"open": 2}, {}, 0),
        (rules().replace("starts: Placed", "starts: Asked"), {"open": 2}, {}, 0),
    ],
)
def test_new_rules_count_with_the_first_sweep(tmp_path, changed, kinds, ended, missed):
    with core(tmp_path, rules()) as made:
        made.read(placed(2))
        made.pass_time(6_000)
    for _ in range(2):
        with core(tmp_path, changed) as made:
            made.sweeper.sweep()
            assert (made.kinds(), made.ended()) == (kinds, ended)
            assert made.counters().get(("deadline_breaches", "orders", "pay"), 0) == missed
            assert made.counters()["started", "orders"] == 2


def test_a_deadline_cut_and_lengthened_again_is_counted_once(tmp_path):
    with core(tmp_path, rules()) as made:
        made.read(placed())
        made.pass_time(6_000)
    for limit, kinds in (("2s", {"stuck": 1}), ("30s", {}), ("2s", {"stuck": 1}), ("3s", {"stuck": 1})):
        with core(tmp_path, rules(pay=limit)) as made:
            made.sweeper.sweep()
            assert made.kinds() == {"open": 1, **kinds}
            assert made.counters()["deadline_breaches", "orders", "pay"] == 1


@pytest.mark.parametrize("read_first", [False, True])
@pytest.mark.parametrize("paid", [False, True])
def test_a_step_under_another_name_has_missed_its_deadline_once(tmp_path, read_first, paid):
    """Whether the sweep or another event gets to the instance first, and whether the step was done late by then."""
    happened = [*placed(), *([Happening("Paid", 5_000, flow="f0")] if paid else [])]
    with core(tmp_path, rules(pay="2s")) as made:
        made.read(happened)
        made.pass_time(7_000)
    changed = rules(pay="2s").replace("pay: {", "charge: {was: [bill, pay], ")
    for _ in range(2):
        with core(tmp_path, changed) as made:
            if read_first:
                made.read(
                    [Happening("Noticed", 6_000, flow="f0"), Happening("Placed", 1_000, "again", flow="f0")]
                )
            made.sweeper.sweep()
            made.pass_time(9_000)
            missed = {name: count for (kind, *_, name), count in made.counters().items() if "breach" in kind}
            assert missed == {"pay": 1}
            assert made.kinds() == ({"open": 1} if paid else {"open": 1, "stuck": 1})
            assert [row.step for row in _late(made)] == ([] if paid else ["charge"])


def _late(made):
    return [LateStep(*row) for row in made.store.saga_figures().late_steps]


def test_a_flow_that_is_gone_is_retired_and_one_that_is_back_goes_on(tmp_path):
    with core(tmp_path, rules()) as made:
        made.read(placed(2))
        made.pass_time(2_000)
    with core(tmp_path, OTHER) as made:
        made.pass_time(3_000)
        assert (made.kinds(), made.ended()) == ({}, {})
    with core(tmp_path, rules()) as made:
        made.read([Happening("Shipped", 2_500, flow="f0")], until_ms=3_000)
        assert ("late_events", "orders") not in made.counters()
        made.pass_time(5_000)
        assert (made.kinds(), made.ended()) == ({"open": 1}, {"completed": 1})


def test_unchanged_rules_are_not_applied_again(tmp_path):
    with core(tmp_path, rules()) as made:
        made.read(placed(1_500))
        made.pass_time(2_000)
    with core(tmp_path, rules()) as made:
        assert made.sweeper.sweep() == 0
    named = rules().replace("done: Paid", "done: Paid, by: billing")
    with core(tmp_path, named) as made:
        assert made.sweeper.sweep() == 0
    with core(tmp_path, rules(pay="11s")) as made:
        assert made.sweeper.sweep() == 1_500
        assert made.sweeper.sweep() == 0


CHAIN = """\
flows:
  a:
    starts: A
    steps:
      s: {{children: {{flow: b, parent: {{field: $.a}}}}, undone: Back}}
    completes: Z
    {a}
  b:
    starts: B
    steps:
      s: {{children: {{flow: c, parent: {{field: $.b}}}}}}
      last: {{done: Y}}
    {b}
  c: {{starts: C, completes: X}}
"""
HEARD = {
    "that ended well": ("cancels: Stop", "completes: Z", "completes: Y", {"open": 1, "uncompensated": 1}, {"completed": 1}),
    "that timed out": (
        "within: 5s", "completes: X", "completes: X\n    within: 1s", {}, {"timed_out": 1, "failed": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("a", "before", "after", "kinds", "ended"), HEARD.values(), ids=HEARD)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_parent_hears_what_new_rules_make_of_its_child_before_it_ends(
    tmp_path, a, before, after, kinds, ended, at_once
):
    """Its own end is due whenever the new rules are looked at for the first time: at once, or not before more was read."""
    told = [("A", 1_000), ("B", 2_000), ("Y", 3_000), ("Stop", 6_000)]
    with core(tmp_path, CHAIN.format(a=a, b=before)) as made:
        made.read(
            Happening(kind, at, flow="b1" if kind in "BY" else "a1", payload={"a": "a1"}) for kind, at in told
        )
        made.pass_time(9_000)
        assert made.ended() == {}
    with core(tmp_path, CHAIN.format(a=a, b=after)) as made:
        if at_once:
            made.sweeper.sweep()
        made.pass_time(12_000)
        assert (made.kinds(), made.ended()) == (kinds, ended)
