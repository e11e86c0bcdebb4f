"""What happens to a consumed record: dispatch, decoding, retries, dead letters, deduplication."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import pydantic
import pytest

import flowtrail
from flowtrail.testing import Harness

Seen = list[flowtrail.Event[Any]]


def collecting(trail: flowtrail.Trail, topic: str = "orders", **settings: Any) -> Seen:
    seen: Seen = []
    trail.consumer(topic, **settings)(seen.append)
    return seen


@pytest.fixture
def trail() -> flowtrail.Trail:
    return flowtrail.Trail("billing")


class TestDispatch:
    def test_other_types_are_committed_past_and_not_decoded(self, trail: flowtrail.Trail) -> None:
        seen = collecting(trail, types="OrderPlaced")
        with Harness(trail) as flow:
            flow.deliver_raw("orders", b"\xff not json", headers=[("ce_type", b"Other"), ("ce_id", b"1")])
            flow.deliver_raw("orders", b"\xff no event at all")
            flow.deliver("orders", {}, type="OrderPlaced")
            assert flow.committed("billing", "orders") == 3
            assert flow.dead_letters() == []
            assert [span.name for span in flow.spans].count("process orders") == 1
        assert [event.type for event in seen] == ["OrderPlaced"]

    def test_two_handlers_share_a_topic_by_type(self, trail: flowtrail.Trail) -> None:
        placed, cancelled = (
            collecting(trail, types=type) for type in (["OrderPlaced"], ["OrderCancelled", "OrderLost"])
        )
        with Harness(trail) as flow:
            for type in ("OrderPlaced", "OrderCancelled", "OrderLost"):
                flow.deliver("orders", {}, type=type)
        assert [event.type for event in placed] == ["OrderPlaced"]
        assert [event.type for event in cancelled] == ["OrderCancelled", "OrderLost"]

    def test_groups_are_independent(self, trail: flowtrail.Trail) -> None:
        one, two = collecting(trail, group="one"), collecting(trail, group="two")
        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced")
        assert one == two
        assert len(one) == 1

    @pytest.mark.parametrize("types", [None, "OrderPlaced", ["OrderPlaced", "Other"]])
    def test_overlapping_handlers_are_refused(self, trail: flowtrail.Trail, types: Any) -> None:
        collecting(trail, types="OrderPlaced")
        with pytest.raises(flowtrail.ConfigurationError, match="both take"):
            collecting(trail, types=types)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"start": "middle"}, "start is 'middle'"),
            ({"concurrency": 0}, "concurrency is 0"),
            ({"types": []}, "at least one type"),
            ({"topic": ""}, "at least one topic"),
        ],
    )
    def test_nonsense_is_refused(
        self, trail: flowtrail.Trail, settings: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(flowtrail.ConfigurationError, match=message):
            collecting(trail, **settings)

    def test_a_decorated_handler_is_still_the_function(self, trail: flowtrail.Trail) -> None:
        def handler(event: flowtrail.Event[Any]) -> None:
            raise AssertionError

        assert trail.consumer("orders")(handler) is handler


class TestDecoding:
    @pytest.mark.parametrize("value", [b"{", b"\xff\xfe", b"[" * 100_000])
    def test_undecodable_input_goes_straight_to_the_dead_letters(
        self, trail: flowtrail.Trail, value: bytes
    ) -> None:
        seen = collecting(trail)
        with Harness(trail) as flow:
            flow.deliver_raw("orders", value, key=b"k", headers=[("mine", b"\x00\xff"), ("mine", b"2")])
            (letter,) = flow.dead_letters()
            headers = dict(letter.headers)
            assert (letter.key, letter.data) == (b"k", value)
            assert [header for header in letter.headers if header[0] == "mine"] == [
                ("mine", b"\x00\xff"),
                ("mine", b"2"),
            ]
            assert headers["dlq.attempts"] == b"0"
            assert headers["dlq.error.type"] == b"flowtrail.errors.DecodeError"
            assert flow.metric("flowtrail_retries_total") == 0
            assert flow.committed("billing", "orders") == 1
        assert seen == []

    def test_a_tombstone_reaches_the_handler(self, trail: flowtrail.Trail) -> None:
        seen = collecting(trail)
        with Harness(trail) as flow:
            flow.deliver_raw("orders", None, key=b"o-1")
        assert (seen[0].data, seen[0].key) == (None, b"o-1")

    def test_models(self, trail: flowtrail.Trail) -> None:
        @dataclass
        class Placed:
            order: str
            cents: int = 0

        class Paid(TypedDict):
            cents: int

        class Shipped(pydantic.BaseModel):
            weight: float

        seen: list[Any] = []

        @trail.consumer("orders", types="Placed")
        def placed(event: flowtrail.Event[Placed]) -> None:
            seen.append(event.data)

        @trail.consumer("orders", types="Paid", retry=flowtrail.Retry(attempts=1))
        def paid(event: flowtrail.Event[Paid]) -> None:
            seen.append(event.data["cents"])

        @trail.consumer("orders", types="Shipped")
        async def shipped(event: flowtrail.Event[Shipped]) -> None:
            seen.append(event.data)

        with Harness(trail) as flow:
            flow.deliver("orders", {"order": "o-1", "new": 1}, type="Placed")
            flow.deliver("orders", {"cents": 5}, type="Paid")
            flow.deliver("orders", {"weight": "2.5"}, type="Shipped")
            flow.deliver("orders", {"weight": "heavy"}, type="Shipped")
            assert len(flow.dead_letters()) == 1
        assert seen == [Placed("o-1"), 5, Shipped(weight=2.5)]


class TestRetries:
    def failing(self, trail: flowtrail.Trail, error: Exception, **settings: Any) -> list[int]:
        attempts: list[int] = []

        @trail.consumer("orders", **settings)
        def fail(event: flowtrail.Event[Any]) -> None:
            attempts.append(event.attempt)
            raise error

        return attempts

    def test_attempts_are_counted_and_end(self, trail: flowtrail.Trail) -> None:
        attempts = self.failing(trail, ValueError("no"), retry=flowtrail.Retry(attempts=3))
        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced")
            outcomes = [record.outcome for record in flow.logs if record.name == "flowtrail.consume"]  # type: ignore[attr-defined]
        assert attempts == [1, 2, 3]
        assert outcomes == ["retry", "retry", "dead_letter"]

    @pytest.mark.parametrize(
        "retry",
        [
            flowtrail.Retry(never_on=(ValueError,)),
            flowtrail.Retry(retry_on=(OSError,)),
            flowtrail.Retry(attempts=1),
        ],
    )
    def test_what_is_not_retried(self, trail: flowtrail.Trail, retry: flowtrail.Retry) -> None:
        attempts = self.failing(trail, ValueError("no"), retry=retry)
        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced")
        assert attempts == [1]

    def test_without_dead_letters_the_record_is_dropped_with_a_line(self, trail: flowtrail.Trail) -> None:
        self.failing(trail, ValueError("no"), retry=flowtrail.Retry(attempts=1), dead_letter=False)
        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced")
            assert flow.dead_letters() == []
            assert flow.committed("billing", "orders") == 1
            assert any("gave up on orders/0/0" in record.getMessage() for record in flow.logs)

    def test_a_dead_letter_topic_of_ones_own(self, trail: flowtrail.Trail) -> None:
        self.failing(trail, ValueError("no"), retry=flowtrail.Retry(attempts=1), dead_letter="graveyard")
        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced")
            assert [letter.topic for letter in flow.dead_letters()] == ["graveyard"]

    def test_a_waiting_retry_holds_up_its_partition_only(self, trail: flowtrail.Trail) -> None:
        handled: list[tuple[str, int]] = []

        @trail.consumer(["orders", "payments"], retry=flowtrail.Retry(attempts=2))
        def handle(event: flowtrail.Event[Any]) -> None:
            handled.append((event.subject or "", event.attempt))
            if event.subject == "bad" and event.attempt == 1:
                raise ValueError

        with Harness(trail) as flow:
            for topic, subject in (("orders", "bad"), ("orders", "next"), ("payments", "other")):
                flow.broker.append(
                    topic, None, b"{}", [("ce_id", subject.encode()), ("ce_subject", subject.encode())]
                )
            flow.run()
        assert handled == [("bad", 1), ("other", 1), ("bad", 2), ("next", 1)]

    @pytest.mark.parametrize(
        ("setting", "value"), [("attempts", 0), ("factor", 0.5), ("jitter", 2), ("initial_seconds", -1)]
    )
    def test_a_policy_that_makes_no_sense_is_refused(self, setting: str, value: float) -> None:
        with pytest.raises(flowtrail.ConfigurationError, match=setting):
            flowtrail.Retry(**{setting: value})  # type: ignore[arg-type]

    def test_waits_grow_and_are_capped(self) -> None:
        retry = flowtrail.Retry(initial_seconds=1, factor=10, max_seconds=50, jitter=0)
        assert [retry.wait_seconds(attempt) for attempt in (1, 2, 3, 5000)] == [1, 10, 50, 50]


class TestPublications:
    def test_the_offset_waits_for_a_refused_publication(self, trail: flowtrail.Trail) -> None:
        attempts: list[int] = []

        @trail.consumer("orders")
        def handle(event: flowtrail.Event[Any]) -> None:
            attempts.append(event.attempt)
            trail.publish("payments", {}, type="Paid", subject=event.subject)

        with Harness(trail) as flow:
            flow.broker.refuse("payments", times=3, retriable=True)
            flow.deliver("orders", {}, type="OrderPlaced", subject="o-1")
            assert len(flow.published("payments")) == 1
            assert flow.committed("billing", "orders") == 1
        assert attempts == [1, 1, 1, 1], "a broker that is away costs no attempts"

    def test_a_publication_that_can_never_work_ends_in_the_dead_letters(self, trail: flowtrail.Trail) -> None:
        @trail.consumer("orders", retry=flowtrail.Retry(attempts=2))
        def handle(event: flowtrail.Event[Any]) -> None:
            trail.publish("payments", {}, type="Paid")

        with Harness(trail) as flow:
            flow.broker.refuse("payments", times=2, reason="too large")
            flow.deliver("orders", {}, type="OrderPlaced")
            (letter,) = flow.dead_letters()
            headers = dict(letter.headers)
            assert headers["dlq.error.type"] == b"flowtrail.errors.PublishError"
            assert headers["dlq.attempts"] == b"2"
            assert flow.committed("billing", "orders") == 1

    def test_a_refused_dead_letter_is_sent_again_and_the_handler_left_alone(
        self, trail: flowtrail.Trail
    ) -> None:
        attempts: list[int] = []

        @trail.consumer("orders", retry=flowtrail.Retry(attempts=1))
        def handle(event: flowtrail.Event[Any]) -> None:
            attempts.append(event.attempt)
            raise ValueError("no")

        with Harness(trail) as flow:
            flow.broker.refuse("orders.billing.dlq", times=2)
            flow.deliver("orders", {}, type="OrderPlaced")
            (letter,) = flow.dead_letters()
            assert "dlq.error.stacktrace" in dict(letter.headers), "nothing was wrong with its size"
        assert attempts == [1]

    def test_correlation_survives_threads_and_tasks(self, trail: flowtrail.Trail) -> None:
        def in_thread() -> None:
            trail.publish("payments", {"from": "thread"}, type="Paid")

        @trail.consumer("orders")
        async def handle(event: flowtrail.Event[Any]) -> None:
            await asyncio.create_task(asyncio.to_thread(in_thread))
            captured = flowtrail.capture()

            def restored(work: Callable[[], None]) -> None:
                with flowtrail.restore(captured):
                    work()

            await asyncio.get_running_loop().run_in_executor(None, restored, in_thread)

        with Harness(trail) as flow:
            event_id = flow.deliver("orders", {}, type="OrderPlaced")
            ids = [(event.correlation_id, event.causation_id) for event in flow.published("payments")]
        assert ids == [(event_id, event_id)] * 2


class TestDedupe:
    @pytest.mark.parametrize("by", ["id", "sequence"])
    def test_a_redelivered_event_is_passed_over(self, trail: flowtrail.Trail, by: Any) -> None:
        seen = collecting(trail, dedupe=flowtrail.MemoryDedupe(by=by))
        with Harness(trail) as flow:
            for _ in range(3):
                flow.deliver("orders", {}, type="OrderPlaced", id="e-1", subject="o-1", sequence=1)
            flow.deliver("orders", {}, type="OrderPlaced", id="e-2", subject="o-1", sequence=2)
            assert flow.metric("flowtrail_duplicates_total") == 2
            assert flow.committed("billing", "orders") == 4
        assert [event.id for event in seen] == ["e-1", "e-2"]

    def test_duplicates_in_one_fetch(self, trail: flowtrail.Trail) -> None:
        seen: Seen = []

        @trail.consumer("orders", dedupe=flowtrail.MemoryDedupe())
        def handle(event: flowtrail.Event[Any]) -> None:
            seen.append(event)
            trail.publish("payments", {}, type="Paid")

        with Harness(trail) as flow:
            for _ in range(2):
                flow.broker.append("orders", None, b"{}", [("ce_id", b"e-1")])
            flow.run()
        assert len(seen) == 1

    def test_what_failed_is_not_remembered(self, trail: flowtrail.Trail) -> None:
        attempts: list[int] = []

        @trail.consumer("orders", dedupe=flowtrail.MemoryDedupe(), retry=flowtrail.Retry(attempts=2))
        def handle(event: flowtrail.Event[Any]) -> None:
            attempts.append(event.attempt)
            if event.attempt == 1:
                raise ValueError

        with Harness(trail) as flow:
            flow.deliver("orders", {}, type="OrderPlaced", id="e-1")
            assert flow.dead_letters() == []
        assert attempts == [1, 2]
