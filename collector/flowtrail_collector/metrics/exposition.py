"""One `/metrics` answer out of many sources.

Small families are built as prometheus_client `Metric` objects at each scrape. Families with tens of thousands
of series (lag) are rendered and compressed by whoever collects them, once per collection, and only joined here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, cast

from prometheus_client import exposition as _text_format
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as _openmetrics_format
from prometheus_client.registry import Collector

from flowtrail_collector.metrics.deflate import Piece, gzip_stream, piece_of

CONTENT_TYPE_TEXT = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_TYPE_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EOF = b"# EOF\n"
_CHUNK_BYTES = 1 << 18


Part = bytes | Piece
"""Text of the exposition, each line ended with a newline; plain, or compressed where it is much."""


class MetricSource(Protocol):
    """Metric families, written anew at every scrape.

    It is called from the web thread while others write: it must be thread-safe, quick, and read only what is
    there (no Kafka call). A family name belongs to one source only.
    """

    def parts(self, openmetrics: bool) -> Sequence[Part]:
        """The families of this source with their present samples, without the closing `# EOF`.

        Args:
            openmetrics: OpenMetrics 1.0 if true, else the Prometheus text format 0.0.4.
        """
        ...


class Families(ABC):
    """A `MetricSource` whose families prometheus_client writes."""

    @abstractmethod
    def families(self) -> Iterable[Metric]:
        """The families with their present samples."""

    def parts(self, openmetrics: bool) -> Sequence[Part]:
        """See `MetricSource.parts`."""
        once = cast("Collector", _Once(list(self.families())))
        if not openmetrics:
            return [_text_format.generate_latest(once)]
        text_with_end: bytes = _openmetrics_format.generate_latest(once)  # type: ignore[no-untyped-call]
        return [text_with_end.removesuffix(_EOF)]


class LeaderOnly:
    """A `MetricSource` that shows only while this worker leads: a sum over workers is never double.

    Args:
        source: What it shows.
        leading: Whether this worker leads.
    """

    def __init__(self, source: MetricSource, leading: Callable[[], bool]) -> None:
        self._source = source
        self._leading = leading

    def parts(self, openmetrics: bool) -> Sequence[Part]:
        """See `MetricSource.parts`."""
        return self._source.parts(openmetrics) if self._leading() else ()


ErrorHook = Callable[[str, Exception], None]


class Exposition:
    """Joins sources into one scrape; a source that fails is left out and reported, the others still show.

    Args:
        sources: Where the families come from, in the order they appear.
        on_error: Called with a source's class name and its exception.
    """

    def __init__(self, sources: Sequence[MetricSource], *, on_error: ErrorHook | None = None) -> None:
        self.sources = tuple(sources)
        self._on_error = on_error

    def page(self, *, openmetrics: bool = False) -> Page:
        """The exposition as it is now, for whoever sends it part by part.

        Args:
            openmetrics: OpenMetrics 1.0 (ends with `# EOF`, keeps exemplars) instead of Prometheus text.
        """
        parts: list[Part] = []
        for source in self.sources:
            try:
                parts += source.parts(openmetrics)
            except Exception as error:  # noqa: BLE001 - one broken family must not blank the scrape
                if self._on_error is not None:
                    self._on_error(type(source).__name__, error)
        if openmetrics:
            parts.append(_EOF)
        return Page(parts)


class Page:
    """One exposition, most of it perhaps compressed: text of 40 MB is never there as a whole.

    Args:
        parts: text, or compressed text; each ends with a line.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return sum(len(part) if isinstance(part, bytes) else part.size for part in self._parts)

    def chunks(self) -> Iterator[bytes]:
        """The text in parts of about a quarter of a megabyte that end with a line."""
        batch: list[bytes] = []
        size = 0
        for part in self._parts:
            batch.append(part if isinstance(part, bytes) else part.content())
            size += len(batch[-1])
            if size >= _CHUNK_BYTES:
                yield b"".join(batch)
                batch, size = [], 0
        if batch:
            yield b"".join(batch)

    def gzipped(self) -> bytes:
        """The text as one gzip member; what is compressed already is not compressed again."""
        pieces = (piece_of(part) if isinstance(part, bytes) else part for part in self._parts)
        return b"".join(gzip_stream(pieces))


class _Once:
    """Shows prometheus_client a list of families as if it were a registry."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families
