"""What sagas need of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.model.causes import StuckCause
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.shapes import Looked, OpenSagas
from flowtrail_collector.sagas.model.view import FlowRow, SagaRow


@dataclass(frozen=True, slots=True)
class SagaFigures:
    """Everything the saga metrics show, as of one moment.

    Attributes:
        counts: Counters whose name begins with `saga_`.
        open_steps: (flow, step, open instances, since when the oldest waits in ms), of started instances.
        open_by_flow: (flow, `open` | `partial` | `stuck` | `uncompensated`, instances).
        late_steps: (flow, step, instances that wait for it past its deadline).
        late_given_up: (flow, step, consumer group or empty, how many of those have a pending dead letter of
            that group).
    """

    counts: Mapping[tuple[str, tuple[str, ...]], float]
    open_steps: Sequence[tuple[str, str, int, int | None]]
    open_by_flow: Sequence[tuple[str, str, int]]
    late_steps: Sequence[tuple[str, str, int]] = ()
    late_given_up: Sequence[tuple[str, str, str, int]] = ()


class SagaUnit(Protocol):
    """What can be done with instances within one transaction."""

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """The instances that exist among `keys`."""
        ...

    def remember_rules(self, flow: str, rules: str | None) -> None:
        """Note by which rules the open instances of a flow were looked at; None: it left the flow file."""
        ...

    def open_sagas(self, flow: str, after: str, limit: int) -> tuple[list[OpenSagas], str | None]:
        """Instances of a flow that are open or retired, the next ones in the order of their keys behind `after`.

        They stay as they are until the end of the transaction.

        Returns:
            Those that are alike together, and the last key; None if there are none left.
        """
        ...

    def note_open(self, flow: str, looked: Looked) -> None:
        """Write how open instances stand now; the rest of them stays."""
        ...

    def retire_open(self, flow: str, keys: tuple[str, str], watermark_ms: int) -> None:
        """Let the open instances of a flow rest whose keys lie behind the first one, up to the second."""
        ...

    def due_sagas(self, until_ms: int, limit: int, flows: Iterable[str], *, others: bool) -> list[SagaRecord]:
        """Instances whose `next_deadline_ms` has come, of some flows or of all others."""
        ...

    def first_due_ms(self, until_ms: int, besides: Iterable[str]) -> int | None:
        """The least `next_deadline_ms` that has come, of all flows but some."""
        ...

    def take_sagas(self, keys: Iterable[SagaKey]) -> tuple[dict[SagaKey, SagaRecord], set[SagaKey]]:
        """The instances that exist among `keys`, without waiting, and those that another worker holds."""
        ...

    def save_sagas(self, sagas: Iterable[SagaRecord]) -> None:
        """Write instances whole."""
        ...

    def settle_sagas(self, sagas: Iterable[SagaRecord]) -> None:
        """Write what was decided of instances that this unit has read, and whose events it left as they were."""
        ...

    def complete_sagas(self, sagas: Iterable[SagaRecord]) -> None:
        """Write that instances simply completed (`Completions`) which this unit's `due_sagas` found."""
        ...

    def keep_histories(self, flow: str, shape: str, histories: Sequence[History]) -> int:
        """Remember how instances went; what is remembered of a flow of another shape is forgotten.

        Returns:
            From when on (ms since the epoch) the end of another instance is wanted; 0 while there is room.
        """
        ...

    def count(self, increments: Counts) -> None:
        """Add to counters."""
        ...


class SagaStore(Protocol):
    """Reads, and units of work."""

    def unit(self) -> AbstractContextManager[SagaUnit]:
        """A transaction: everything done with the unit happens, or nothing.

        Raises:
            StoreError: Nothing happened.
        """
        ...

    def watermark_ms(self) -> int | None:
        """The time up to which every partition has been read, in ms since the epoch; None if there are none."""
        ...

    def known_rules(self) -> dict[str, str]:
        """By which rules the open instances of each flow were last looked at."""
        ...

    def begin_rules(self, rules: Mapping[str, str]) -> None:
        """Note the rules of flows of which nothing is kept, before anything is read: all they will have is by these."""
        ...

    def follow(self, types_of: Mapping[str, Iterable[str]]) -> None:
        """Note which types of event are counted for which flow from now on; before anything is read."""
        ...

    def histories(self, flow: str, shape: str) -> list[History]:
        """What is remembered of the instances of a flow of this shape."""
        ...

    def newest_ended(self, flow: str, limit: int) -> list[SagaRecord]:
        """Instances of a flow that ended last."""
        ...

    def open_records(self, flow: str, after: str, limit: int) -> list[SagaRecord]:
        """Instances of a flow that are open or retired, in the order of their keys, behind the key `after`."""
        ...

    def flows_with_open_sagas(self) -> list[str]:
        """Flows of which instances are open, in the flow file or not."""
        ...

    def saga_figures(self) -> SagaFigures:
        """Counters and open instances, consistent with each other."""
        ...


class SagaName(NamedTuple):
    """An instance that is looked for.

    Attributes:
        id: What people call it: its order id, else its key.
        key: What its flow knows it by, mostly the correlation id.
        flow: Name of the flow.
        outcome: One of `STATES`.
        started_ms: When it started, None if that wasn't seen.
        stuck: It is open, and past the deadline of a step.
    """

    id: str
    key: str
    flow: str
    outcome: str
    started_ms: int | None
    stuck: bool = False


class EndedLately(NamedTuple):
    """Instances of a flow that ended in the same way lately; times are milliseconds since the epoch.

    Attributes:
        flow: Name of the flow.
        outcome: How they ended.
        now: How many did within a span of time up to now.
        before: How many did within the same span before.
        first_ms: When the first of `now` did.
        example: What people call one of those.
    """

    flow: str
    outcome: str
    now: int
    before: int
    first_ms: int
    example: str


class SagaLists(Protocol):
    """What lists of instances are made of."""

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """Saga instances, those that need attention first, then the newest."""
        ...

    def stuck_causes(self) -> list[StuckCause]:
        """Why instances are stuck, the cause of the one that was last to be so first."""
        ...

    def stuck_counts(self) -> dict[str, int]:
        """How many instances are past the deadline of a step, by flow; none is left out."""
        ...

    def known_flows(self) -> dict[str, tuple[str, ...] | None]:
        """The flows there are, with the names of their steps; None for one that has left the flow file."""
        ...

    def list_flows(self) -> list[FlowRow]:
        """The flows of the flow file."""
        ...

    def begins_with(self, prefix: str, limit: int) -> list[SagaName]:
        """Instances whose order id or key begins so, in the order of their ids."""
        ...
