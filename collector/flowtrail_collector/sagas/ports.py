"""What sagas need of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowtrail_collector.dead_letters.model.record import DeadLetterFilter, DeadLetterRow
from flowtrail_collector.sagas.model.view import FlowRow, SagaFilter, SagaRow


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


class Views(Protocol):
    """What the lists are made of."""

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """Saga instances, those that need attention first, then the newest."""
        ...

    def list_dead_letters(self, query: DeadLetterFilter) -> list[DeadLetterRow]:
        """Dead letters, newest first."""
        ...

    def list_flows(self) -> list[FlowRow]:
        """The flows of the flow file."""
        ...
