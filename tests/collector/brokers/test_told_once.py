"""What keeps a tail from working is told when it begins and when it ends, however often it is noted."""

import logging

import pytest

from flowtrail_collector.brokers.trouble import Trouble
from flowtrail_collector.conditions import Remark


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ([None], ["fine"]),
        ([None, None], ["fine"]),
        (["a"], ["a; retrying"]),
        (["a", "a", "b"], ["a; retrying"]),
        (["a", None], ["a; retrying", "fine"]),
        ([None, "a", None, "b"], ["fine", "a; retrying", "fine", "b; retrying"]),
        ([Remark("idle"), Remark("idle")], ["idle"]),
        (["a", Remark("idle"), None], ["a; retrying", "idle", "fine"]),
        ([None, Remark("idle"), "a"], ["fine", "idle", "a; retrying"]),
    ],
    ids=str,
)
def test_a_line_when_it_begins_and_one_when_it_ends(
    noted: list[str | None], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flowtrail_collector")
    trouble = Trouble("not tried yet", lambda: "fine")
    assert trouble.problem == "not tried yet"
    for problem in noted:
        trouble.note(problem)
        assert trouble.problem == problem
    assert [record.getMessage() for record in caplog.records] == told
