"""What is counted apart from sending and handling themselves."""

from __future__ import annotations

from flowtrail._telemetry import definitions
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.instruments import Families
from flowtrail._telemetry.logs import log_internal_error


class Counters:
    """The counting part of `Telemetry`.

    Attributes:
        metrics: All families.
    """

    metrics: Families

    def count_retry(self, topic: str, group: str | None, mode: str = "blocking") -> None:
        """A further attempt was scheduled; mode is `blocking` or `topic`."""
        self.metrics[definitions.RETRIES].series(topic, group or "", mode).add()

    def count_dead_letter(self, topic: str, group: str | None, error: BaseException | str) -> None:
        """A message of `topic` was given up."""
        self.metrics[definitions.DEAD_LETTERS].series(topic, group or "", error_type_of(error)).add()

    def count_duplicate(self, topic: str, group: str | None) -> None:
        """A message was recognised as already handled."""
        self.metrics[definitions.DUPLICATES].series(topic, group or "").add()

    def count_contract_violation(self, topic: str, type: str | None, side: str) -> None:
        """Data broke its contract; side is `publish` or `consume`."""
        self.metrics[definitions.CONTRACT_VIOLATIONS].series(topic, type or "", side).add()

    def count_schema_version(self, type: str, version: str | None, side: str) -> None:
        """An event of this contract version was published or consumed."""
        self.metrics[definitions.SCHEMA_VERSIONS].series(type, version or "", side).add()

    def count_deprecation(self, type: str, version: str, field: str, side: str) -> None:
        """An event uses a deprecated field, or (field empty) a deprecated version."""
        self.metrics[definitions.DEPRECATIONS].series(type, version, field, side).add()

    def count_dropped_header(self, reason: str, amount: int = 1) -> None:
        """Headers had to be ignored."""
        self.metrics[definitions.DROPPED_HEADERS].series(reason).add(amount)

    def _count_dropped_spans(self, reason: str, amount: int) -> None:
        self.metrics[definitions.DROPPED_SPANS].series(reason).add(amount)

    def internal_error(self, where: str, error: BaseException) -> None:
        """The instrumentation itself failed: count, log once per place, never raise in production."""
        self.metrics[definitions.INTERNAL_ERRORS].series(where).add()
        log_internal_error(where, error)
