"""Why a saga doesn't move, in one sentence and one word."""

import pytest

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.sagas.stuck import Reason, diagnose, reason_of, stuck_reason

NOW = 100_000
CHARGE = StepView("charge", "open", ("PaymentCompleted",), "billing", NOW - 1, late=True)
SAGA = SagaView("orders", "o-1", "open", 0, steps=(StepView("reserve", "done"), CHARGE))


def letter(group: str | None = "billing", **values) -> DeadLetter:
    return DeadLetter(
        "inventory.billing.dlq", 0, 7, None, "e-1", "StockReserved", source_topic="inventory", group=group,
        **({"attempts": 4, "error_type": "ValueError", "error_message": "no such card"} | values),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("progress", "reason", "sentence"),
    [
        (
            GroupProgress(12, 40.2, 0, "stopped"),
            Reason.STOPPED,
            "charge waits for billing, which has no members and is 12 messages (40s) behind",
        ),
        (GroupProgress(0, 0.0, 0, "ok"), Reason.STOPPED, "charge waits for billing, which has no members"),
        (
            GroupProgress(1, 95.0, 2, "stalled"),
            Reason.STALLED,
            "charge waits for billing, which has members but commits nothing and is 1 message (1m 35s) behind",
        ),
        (
            GroupProgress(300, None, 2, "behind"),
            Reason.BEHIND,
            "charge waits for billing, which is 300 messages behind",
        ),
        (
            GroupProgress(3, 1.0, 2, "ok"),
            Reason.BEHIND,
            "charge waits for billing, which is 3 messages (1s) behind",
        ),
        (
            GroupProgress(0, 0.0, 2, "ok"),
            Reason.SILENT,
            "charge waits for billing, which has read everything and has not answered",
        ),
        (
            GroupProgress(12, 40.2, 0, "stopped", "orders.billing"),
            Reason.STOPPED,
            "charge waits for billing, which has no consumers on queue orders.billing and is 12 messages (40s) behind",
        ),
        (
            GroupProgress(1, 95.0, 2, "stalled", "orders.billing"),
            Reason.STALLED,
            "charge waits for billing, which has consumers but they acknowledge nothing on queue orders.billing and is 1 message (1m 35s) behind",
        ),
        (
            GroupProgress(300, None, 2, "behind", "orders.billing"),
            Reason.BEHIND,
            "charge waits for billing, which is 300 messages behind on queue orders.billing",
        ),
        (GroupProgress(), Reason.UNKNOWN, "charge waits for billing"),
        (None, Reason.UNKNOWN, "charge waits for billing"),
    ],
)
def test_by_the_group_that_should_act(progress: GroupProgress | None, reason: Reason, sentence: str) -> None:
    assert stuck_reason(SAGA, [], lambda group: progress) == sentence
    (found,) = diagnose(SAGA, [], lambda group: progress)
    assert (found.step, found.by, found.reason) == ("charge", "billing", reason)
    assert reason_of(progress) is reason


@pytest.mark.parametrize(
    ("topic", "group", "is_theirs"),
    [
        ("rabbitmq:billing.dlq", "orders.billing", True),
        ("rabbitmq:billing.dlq", "billing", True),
        ("rabbitmq:billing.dlq", "orders.rebilling", False),
        ("inventory.billing.dlq", "orders.billing", False),
        ("rabbitmq:billing.dlq", None, False),
    ],
)
def test_rabbitmq_names_the_queue_that_gave_up(topic: str, group: str | None, is_theirs: bool) -> None:
    given_up = letter(group)._replace(topic=topic)
    (found,) = diagnose(SAGA, [given_up], lambda name: GroupProgress(0, 0.0, 2, "ok"))
    assert (found.reason is Reason.DEAD_LETTER) is is_theirs
    # Said once: as the step's, or for itself.
    assert stuck_reason(SAGA, [given_up], lambda name: None).count("dead-lettered") == 1


def test_what_the_group_gave_up_comes_before_how_it_is() -> None:
    said = stuck_reason(SAGA, [letter()], lambda group: GroupProgress(0, 0, 1, "ok"))
    assert said == (
        "charge waits for billing, which dead-lettered StockReserved after 4 attempts (ValueError: no such card)"
    )
    (found,) = diagnose(SAGA, [letter()], lambda group: None)
    assert found.reason is Reason.DEAD_LETTER


def test_what_another_group_gave_up_is_said_but_is_not_the_reason() -> None:
    progress = GroupProgress(0, 0.0, 1, "ok")
    said = stuck_reason(SAGA, [letter("customers")], lambda group: progress)
    assert said is not None
    assert said.startswith("charge waits for billing, which has read everything")
    assert said.endswith(
        "; customers dead-lettered StockReserved after 4 attempts (ValueError: no such card)"
    )
    (found,) = diagnose(SAGA, [letter("customers")], lambda group: progress)
    assert found.reason is Reason.SILENT


def test_a_step_of_nobody() -> None:
    saga = SagaView(
        "orders", "o-1", "open", 0, steps=(StepView("confirm", "open", (), None, NOW - 1, late=True),)
    )
    assert stuck_reason(saga, [], lambda group: None) == "confirm is late"
    given_up = stuck_reason(saga, [letter(attempts=1)], lambda group: None)
    assert given_up == "confirm is late: billing dead-lettered StockReserved (ValueError: no such card)"


def test_nothing_is_late() -> None:
    early = SagaView("orders", "o-1", "open", 0, steps=(StepView("charge", "open", (), "billing", NOW),))
    assert stuck_reason(early, [], lambda group: None) is None
    ended = SagaView("orders", "o-1", "completed", 0, 5, steps=(CHARGE,))
    assert stuck_reason(ended, [letter()], lambda group: None) is None


def test_an_error_of_any_length_stays_a_sentence() -> None:
    said = stuck_reason(SAGA, [letter(error_message="x" * 10_000)] * 50, lambda group: None)
    assert said is not None
    assert len(said) < 400


def test_a_failed_step_whose_cancellation_did_not_follow() -> None:
    failed = StepView("charge", "failed", ("OrderCancelled",), None, NOW - 1, late=True, uncancelled=True)
    saga = SagaView("orders", "o-1", "open", 0, steps=(StepView("reserve", "done"), failed))
    said = stuck_reason(saga, [], lambda group: GroupProgress(0, 0, 1, "ok"))
    assert said == "charge failed, and OrderCancelled has not followed"
    (found,) = diagnose(saga, [], lambda group: None)
    assert (found.step, found.by, found.reason) == ("charge", None, Reason.UNKNOWN)
