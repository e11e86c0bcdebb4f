"""What looking at payloads and editing them needs of the store and of contracts."""

from __future__ import annotations

from typing import Protocol

from flowtrail.contracts import Definition
from flowtrail_collector.dead_letters.model.audit import EditLine
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.ports import Job, Order

__all__ = ["Contracts", "EditStore"]


class EditStore(Protocol):
    """Edits in the store."""

    def begin(
        self,
        order: Order,
        place: Place,
        replacement: Replacement,
        reason: str,
        diff: str,
        remote: str,
        now_ms: int,
    ) -> Job:
        """Begin a redrive of one dead letter with new parts; job, edit and audit in one transaction.

        Raises:
            ConfigurationError: It was dealt with meanwhile, or another edit of it is being sent.
        """
        ...

    def edits(self, place: Place) -> list[EditLine]:
        """Edits of a dead letter, the newest first."""
        ...


class Contracts(Protocol):
    """The contracts that payloads are read, checked and written by."""

    def by_id(self, number: int) -> Definition | str:
        """The contract of a registry's id; or in one line why there is none."""
        ...

    def of(self, type: str, version: int) -> Definition | str | None:
        """The contract of an event type; None if nothing knows one, a line if it can't be had."""
        ...
