"""Instances in which nothing has to be counted are judged on a shorter way, and no otherwise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.flows import Flow, Step
from flowtrail_collector.sagas.model.occurrences import settlement
from flowtrail_collector.sagas.model.plain import is_plain, plain_settlement, plain_steps
from flowtrail_collector.sagas.model.seen import Seen, earliest
from flowtrail_collector.sagas.model.steps import Steps
from sagakit.histories import flows_and_histories, marks, model_of


@pytest.mark.slow(3)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(flows_and_histories(most=7), st.booleans(), st.integers(0, 24))
def test_plain_instances_stand_as_those_that_are_counted(made, ended, cancelled):
    flow, events = model_of(made[0]), marks(made[1])
    seen = Seen(events)
    assume(is_plain(flow, events, seen))
    started = earliest(seen.first, flow.starts)
    expected = Steps(flow, seen, started, ended=ended).all()
    assert plain_steps(flow, seen.first, started, ended=ended) == expected
    if seen.once:
        over = plain_settlement(flow, seen.first, cancelled * 500)
        assert over in (None, settlement(flow, events, cancelled * 500))


RESERVE = Step("reserve", ("Reserved",), failed=("Refused",), undone=("Released",))


@pytest.mark.parametrize(
    ("steps", "seen", "plain"),
    [
        ([RESERVE], ["Placed", "Reserved", "Cancelled", "Released"], True),
        ([RESERVE], ["Placed", "Refused", "Cancelled"], True),
        ([RESERVE], ["Placed", "Placed", "Reserved"], True),
        ([RESERVE], ["Placed", "Reserved", "Released", "Reserved"], False),
        ([RESERVE], ["Refused", "Placed"], False),
        ([Step("ship", ("Shipped",), times=2)], ["Placed"], False),
        ([Step("ask", ("Asked",), again_after=("Resent",))], ["Placed", "Resent"], False),
        ([RESERVE, Step("order", ("Ordered",), instead_of="reserve")], ["Placed"], False),
        ([Step("hold", ("Held", "Kept"), undone=("Released",))], ["Placed"], False),
        ([RESERVE, Step("bill", ("Billed",), undone=("Released",))], ["Placed"], False),
    ],
)
def test_what_is_plain(steps, seen, plain):
    flow = Flow("orders", ("Placed",), tuple(steps), ("Shipped",), ("Cancelled",))
    events = marks([(1_000 * place, kind) for place, kind in enumerate(seen)])
    assert is_plain(flow, events, Seen(events)) is plain
