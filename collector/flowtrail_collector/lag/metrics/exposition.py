"""Lag metrics: rendered once per collection by the poller, only put together by a scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from flowtrail_collector.lag.metrics import families, kafka_exporter
from flowtrail_collector.lag.metrics.lines import LineBook, head
from flowtrail_collector.lag.metrics.poller import CycleFigures, about
from flowtrail_collector.lag.model import GroupReading, PartitionTable
from flowtrail_collector.lag.ports import Topics
from flowtrail_collector.metrics.deflate import Deflater, Piece, piece_of
from flowtrail_collector.settings import Granularity

__all__ = ["CycleFigures", "LagPage"]


class LagPage:
    """The lag part of `/metrics`, a `MetricSource`.

    `publish` is called by the poller's thread, everything else by any.

    Args:
        granularity: `partition` shows all; `topic` and `group` leave the finer series out.
        compat: other exporters' names to show as well (`kafka_exporter`).
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        granularity: Granularity = "partition",
        compat: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._granularity = granularity
        self._clock = clock
        self._deflater = Deflater()
        fine = granularity == "partition"
        self._book = LineBook(self._deflater, families.pair_label, families.topic_label, with_pairs=fine)
        self._compat_book = None
        if "kafka_exporter" in compat:
            self._compat_book = LineBook(
                self._deflater,
                kafka_exporter.exporter_pair_label,
                kafka_exporter.exporter_topic_label,
                with_pairs=fine,
            )
        # One reference, replaced as a whole: a scrape sees one collection, never a mixture.
        self._page: tuple[list[Piece], list[Piece], CycleFigures] | None = None

    def publish(
        self,
        readings: Sequence[GroupReading],
        table: PartitionTable,
        figures: CycleFigures,
        topics: Topics | None = None,
    ) -> None:
        """Render a collection.

        Args:
            readings: of all groups.
            table: the partitions.
            figures: about the collection itself.
            topics: who leads and who holds the partitions, which only other exporters' names tell.
        """
        self._book.prepare(readings)
        body = list(self._body(readings, table, topics or Topics({})))
        by_topic = self._granularity != "group"
        lost = list(families.lost_lines(readings, self._book, by_topic=by_topic))
        self._deflater.finish()
        self._page = (lost, [piece for piece in body if piece.size], figures)

    def note(self, figures: CycleFigures) -> None:
        """Say how collecting goes while the last collection's figures stay."""
        if self._page is not None:
            self._page = (*self._page[:2], figures)

    def parts(self, openmetrics: bool) -> list[Piece]:
        """See `MetricSource.parts`."""
        page = self._page
        if page is None:
            return []
        lost, body, figures = page
        name = "flowtrail_group_messages_lost" + ("" if openmetrics else "_total")
        lost_head = head(name, "Records that retention removed before the group read them.", "counter")
        return [piece_of(about(figures, self._clock(), openmetrics=openmetrics) + lost_head), *lost, *body]

    def text(self, openmetrics: bool) -> bytes:
        """The page in one piece."""
        return b"".join(piece.content() for piece in self.parts(openmetrics))

    def _body(
        self, readings: Sequence[GroupReading], table: PartitionTable, topics: Topics
    ) -> Iterator[Piece]:
        book = self._book
        if self._granularity == "partition":
            yield from families.pair_families(readings, book)
            yield from (book.text(text) for text in families.partition_families(table))
        if self._granularity != "group":
            yield from families.topic_families(readings, book)
        yield from (book.text(text) for text in families.group_families(readings))
        if self._compat_book is not None:
            self._compat_book.prepare(readings)
            yield from kafka_exporter.exporter_families(readings, table, self._compat_book, self._granularity)
            fine = self._granularity == "partition"
            families_of_cluster = kafka_exporter.cluster_families(topics, table, by_partition=fine)
            yield from (book.text(text) for text in families_of_cluster)
