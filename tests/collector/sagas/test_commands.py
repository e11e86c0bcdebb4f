"""Flows run by commands: waiting is either for somebody to ask, or for an answer, and each is somebody's."""

from __future__ import annotations

import pytest

from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.sagas.flow_file import FlowFileError, parse_flows
from flowtrail_collector.sagas.model.assessment import asked_ms, assess
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.owners import StepOwners, as_written
from flowtrail_collector.sagas.sql.reads import SagaReads
from flowtrail_collector.sagas.trial import Occasion, drive
from flowtrail_collector.sagas.web import saga_row_json
from flowtrail_collector.trails.assembly import _missing
from sagakit import Happening, core

CREDIT = """\
flows:
  credit:
    starts: Applied
    steps:
      reserve: {asks: ReserveCredit, asked_by: orchestrator, done: CreditReserved, failed: CreditRefused,
                by: bank, within: 10s}
      book: {asks: BookLoan, done: LoanBooked, within: 20s}
    completes: LoanBooked
    cancels: Withdrawn
    within: 1h
"""


def happened(story):
    return [Happening(kind, 1_000 * at, id=f"e{at}") for at, kind in enumerate(story.split(), 1)]


STORIES = {
    "nobody has asked": (
        "Applied", False, "orchestrator", ["ReserveCredit"],
        "reserve was not asked for: ReserveCredit should come from orchestrator, which has no members"),
    "asked, not answered": (
        "Applied ReserveCredit", True, "bank", ["CreditReserved", "CreditRefused"],
        "reserve was asked for and waits for bank, which has no members"),
    "asked before its turn": (
        "ReserveCredit Applied", True, "bank", ["CreditReserved", "CreditRefused"],
        "reserve was asked for and waits for bank, which has no members"),
    "the next one, by nobody that is known": (
        "Applied ReserveCredit CreditReserved", False, None, ["BookLoan"],
        "book was not asked for: BookLoan is late"),
    "asked for, of nobody that is known": (
        "Applied ReserveCredit CreditReserved BookLoan", True, None, ["LoanBooked"],
        "book was asked for and is not answered"),
    "asked again after it was refused": (
        "Applied ReserveCredit CreditRefused ReserveCredit", True, "bank", ["CreditReserved", "CreditRefused"],
        "reserve was asked for and waits for bank, which has no members"),
    "refused": (
        "Applied ReserveCredit CreditRefused", True, None, ["Withdrawn"],
        "reserve failed, and Withdrawn has not followed"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "asked", "by", "expects", "reason"), STORIES.values(), ids=STORIES)
def test_who_should_do_what(tmp_path, story, asked, by, expects, reason):
    with core(tmp_path, CREDIT) as made:
        made.read(happened(story))
        made.pass_time(60_000)
        reads = SagaReads(made.database, made.flows, owner_of=as_written, pending_letters=lambda ids: {})
        (row,) = reads.list_sagas(SagaFilter(stuck=True))
        (late,) = (step for step in row.saga.steps if step.late)
        assert (late.asked, late.by, list(late.expects)) == (asked, by, expects)
        shown = saga_row_json(row, lambda group: GroupProgress(0, 0.0, 0, "ok"))
        assert shown["reason"] == reason
        assert [item["asked"] for item in shown["stuck_at"]] == [asked]
        (missing,) = _missing([row.saga], 60_000, lambda group: None)
        assert (missing.by, list(missing.expects), missing.overdue) == (by, expects, True)


def test_an_answer_is_waited_for_since_it_was_asked_for(tmp_path):
    with core(tmp_path, CREDIT) as made:
        made.read(happened("Applied ReserveCredit"))
        reads = SagaReads(made.database, made.flows, owner_of=as_written, pending_letters=lambda ids: {})
        (row,) = reads.list_sagas(SagaFilter())
        assert (row.saga.steps[0].since_ms, row.saga.steps[0].deadline_ms) == (2_000, 11_000)


def test_who_asks_is_learned_from_who_asked_lately():
    flows = parse_flows(CREDIT)
    owners = StepOwners(flows, lambda: [("BookLoan", "/loans", 3), ("LoanBooked", "/ledger", 3)])
    step = flows.by_name["credit"].steps[1]
    assert (owners(step.asking), owners(step)) == ("loans", "ledger")


def test_a_round_begins_with_the_command_that_asks_again():
    flow = parse_flows(CREDIT).by_name["credit"]
    events = {
        n: (1_000 * n, kind, 0)
        for n, kind in enumerate(["Applied", "ReserveCredit", "CreditRefused", "ReserveCredit"], 1)
    }
    item = assess(flow, events).steps[0]
    assert (item.since_ms, item.deadline_ms, asked_ms(item, events)) == (4_000, 14_000, 4_000)


def test_trying_a_file_tells_whether_it_was_asked():
    told = drive(parse_flows(CREDIT), [Occasion(0, "Applied", "1"), Occasion(1_000, "ReserveCredit", "1")])
    assert [item.text for item in told][:2] == ["waits for reserve (not asked)", "waits for reserve (asked)"]


@pytest.mark.parametrize(
    ("wrong", "by", "message"),
    [
        ("asks: BookLoan", "asks: LoanBooked", "'LoanBooked' can't both ask for a step and answer"),
        ("asks: BookLoan, ", "asked_by: loans, ", "needs 'asks' beside 'asked_by'"),
        ("asked_by: orchestrator", "asked_by: [a]", "'asked_by' must be the name of a consumer group"),
        ("asks: BookLoan", "asks: 3", "'asks' must be an event type"),
    ],
)
def test_what_a_file_cannot_say(wrong, by, message):
    with pytest.raises(FlowFileError, match=message):
        parse_flows(CREDIT.replace(wrong, by))
