"""The dedupe port: in memory, in a file, and in the handler's own transaction, held to one suite."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import flowtrail
from flowtrail.dedupe import Dedupe, event_key
from flowtrail.testing import Harness


class Given(NamedTuple):
    """What identifies an event."""

    id: str = "e-1"
    source: str | None = "/orders"
    subject: str | None = "o-1"
    sequence: int | None = 1


Handling = Callable[[str, Given], Any]


class Contract:
    """The suite: `handling(consumer, event)` is a block that is told whether the event is new."""

    by = "id"

    @pytest.fixture
    def handling(self) -> Handling:
        raise NotImplementedError

    def is_new(self, handling: Handling, event: Given, consumer: str = "billing") -> bool:
        with handling(consumer, event) as new:
            return bool(new)

    def test_an_event_is_new_once(self, handling: Handling) -> None:
        assert [self.is_new(handling, Given()) for _ in range(3)] == [True, False, False]

    def test_consumers_are_independent(self, handling: Handling) -> None:
        assert self.is_new(handling, Given(), "billing")
        assert self.is_new(handling, Given(), "shipping")

    def test_what_failed_is_new_again(self, handling: Handling) -> None:
        def fail() -> None:
            with handling("billing", Given()) as new:
                assert new
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            fail()
        assert self.is_new(handling, Given())

    def test_sources_are_apart(self, handling: Handling) -> None:
        assert self.is_new(handling, Given())
        assert self.is_new(handling, Given(source="/other"))

    def test_other_ids_of_one_position(self, handling: Handling) -> None:
        assert self.is_new(handling, Given("e-1"))
        assert self.is_new(handling, Given("e-2")) is (self.by == "id")

    def test_other_positions_of_one_id(self, handling: Handling) -> None:
        assert self.is_new(handling, Given(sequence=1))
        assert self.is_new(handling, Given(sequence=2)) is (self.by == "sequence")

    def test_without_a_sequence_the_id_counts(self, handling: Handling) -> None:
        assert self.is_new(handling, Given("e-1", sequence=None))
        assert self.is_new(handling, Given("e-2", sequence=None))
        assert not self.is_new(handling, Given("e-1", sequence=None))


def with_store(store: Dedupe) -> Handling:
    """The order in which the runtime asks and tells."""

    @contextmanager
    def handling(consumer: str, event: Given) -> Iterator[bool]:
        key = store.key(event)
        new = not store.is_handled(consumer, key)
        yield new
        store.mark_handled(consumer, key)

    return handling


class TestMemory(Contract):
    @pytest.fixture
    def handling(self) -> Handling:
        return with_store(flowtrail.MemoryDedupe(by=self.by))  # type: ignore[arg-type]


class TestMemoryBySequence(TestMemory):
    by = "sequence"


class TestSqlite(Contract):
    @pytest.fixture
    def handling(self, tmp_path: Path) -> Iterator[Handling]:
        with closing(flowtrail.SqliteDedupe(tmp_path / "seen.db", by=self.by)) as store:  # type: ignore[arg-type]
            yield with_store(store)


class TestSqliteBySequence(TestSqlite):
    by = "sequence"


class TestInbox(Contract):
    @pytest.fixture
    def handling(self, tmp_path: Path) -> Iterator[Handling]:
        with closing(sqlite3.connect(tmp_path / "service.db")) as connection:

            @contextmanager
            def handling(consumer: str, event: Given) -> Iterator[bool]:
                inbox = flowtrail.Inbox(consumer, by=self.by)  # type: ignore[arg-type]
                inbox.create_table(connection)
                with connection:
                    yield inbox.accept(connection, event)

            yield handling


class TestInboxBySequence(TestInbox):
    by = "sequence"


def test_sqlite_remembers_over_a_restart_and_between_processes(tmp_path: Path) -> None:
    with closing(flowtrail.SqliteDedupe(tmp_path / "seen.db")) as first:
        first.mark_handled("billing", "k")
        with closing(flowtrail.SqliteDedupe(tmp_path / "seen.db")) as second:
            assert second.is_handled("billing", "k")


def test_memory_forgets_the_oldest() -> None:
    store = flowtrail.MemoryDedupe(max_events=2)
    for key in "abc":
        store.mark_handled("billing", key)
    assert [store.is_handled("billing", key) for key in "abc"] == [False, True, True]


def test_an_inbox_forgets_what_is_old(tmp_path: Path) -> None:
    inbox = flowtrail.Inbox("billing")
    with closing(sqlite3.connect(tmp_path / "service.db")) as connection:
        inbox.create_table(connection)
        inbox.accept(connection, Given())
        assert inbox.forget(connection, older_than_seconds=60) == 0
        assert inbox.forget(connection, older_than_seconds=-1) == 1
        assert inbox.accept(connection, Given())


def test_a_record_without_an_id_is_recognised_by_its_place(tmp_path: Path) -> None:
    trail = flowtrail.Trail("billing")
    accepted: list[bool] = []
    inbox = flowtrail.Inbox("billing")

    @trail.consumer("orders", retry=flowtrail.Retry(attempts=2))
    def handle(event: flowtrail.Event[Any]) -> None:
        with closing(sqlite3.connect(tmp_path / "service.db")) as connection, connection:
            inbox.create_table(connection)
            accepted.append(inbox.accept(connection, event))
            connection.commit()
        if len(accepted) == 1:
            raise ValueError

    with Harness(trail) as flow:
        flow.deliver_raw("orders", b"{}")
    assert accepted == [True, False]


@pytest.mark.parametrize("name", ["x; DROP TABLE orders", "", "1a", "a.b.c", 'a"b'])
def test_table_names_are_identifiers(name: str, tmp_path: Path) -> None:
    for make in (
        lambda: flowtrail.Inbox("billing", name),
        lambda: flowtrail.SqliteDedupe(tmp_path / "seen.db", table=name),
        lambda: flowtrail.Trail("billing").outbox(lambda: sqlite3.connect(":memory:"), table=name),
    ):
        with pytest.raises(flowtrail.ConfigurationError, match="identifier"):
            make()


def test_by_is_id_or_sequence() -> None:
    with pytest.raises(flowtrail.ConfigurationError, match="'id' or 'sequence'"):
        flowtrail.MemoryDedupe(by="hash")  # type: ignore[arg-type]


def test_keys_of_events_name_their_source() -> None:
    assert event_key(Given(), "id") == "/orders e-1"
    assert event_key(Given(), "sequence") == "/orders o-1#1"
