"""Since when things are as they are, told from looks alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.oncall.memory import Growth, States

MINUTE = 60_000
SPAN = 30 * MINUTE
LOOKS = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["ok", "stopped"])), max_size=12)


@given(LOOKS, st.booleans(), st.booleans())
def test_a_state_began_with_the_first_look_that_saw_it(looks, may_be_old, begins_anew):
    states = States(may_be_old=may_be_old, begins_anew=begins_anew)
    for now, present in enumerate(looks):
        states.look(present, now)
        assert {each.name: each.state for each in states.all()} == present
        for each in states.all():
            back = now
            while (
                back
                and each.name in looks[back - 1]
                and (not begins_anew or looks[back - 1][each.name] == each.state)
            ):
                back -= 1
            unknown = each.name not in (looks[back - 1] if back else {})
            expected = None if unknown and (may_be_old or back == 0) else back
            assert each.since_ms == expected, (now, each)
            assert each.seen_ms <= (now if expected is None else expected)


@given(st.lists(st.tuples(st.integers(1, 20 * MINUTE), st.integers(0, 5)), min_size=1, max_size=40))
def test_growth_is_what_came_within_the_span_to_the_minute(steps):
    growth, now, count = Growth(SPAN), 0, 7
    growth.look({"a": count}, now)
    came = []
    for later, more in steps:
        now, count = now + later, count + more
        came += [now] * more
        growth.look({"a": count}, now)
        grown, first = growth.grown().get("a", (0, None))
        surely = [at for at in came if at >= now - SPAN]
        perhaps = [at for at in came if at >= now - SPAN - MINUTE]
        assert grown <= len(perhaps)
        assert grown >= len([at for at in came if at >= now - SPAN + MINUTE])
        if surely and first is not None:
            assert now - SPAN <= first <= now


def test_what_is_counted_anew_and_what_appears_later():
    growth = Growth(SPAN)
    growth.look({"old": 500}, 0)
    assert growth.grown() == {}
    growth.look({"old": 500, "new": 3}, MINUTE)
    assert growth.grown() == {"new": (3, MINUTE)}
    growth.look({"old": 2, "new": 3}, 2 * MINUTE)  # begun anew: what was lost of it before isn't lost again
    assert growth.grown() == {"new": (3, MINUTE)}
    growth.look({"old": 4}, 3 * MINUTE)
    assert growth.grown() == {"new": (3, MINUTE), "old": (2, 3 * MINUTE)}
    growth.look({"old": 4}, SPAN + 4 * MINUTE)
    assert growth.grown() == {}


def test_memory_holds_no_more_than_what_grew_within_the_span():
    growth = Growth(SPAN)
    for minute in range(500):
        growth.look({f"group-{n}": minute for n in range(20)}, minute * MINUTE // 4)
    assert max(len(grew) for grew in growth._grew.values()) <= 32
