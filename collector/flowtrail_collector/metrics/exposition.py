"""One `/metrics` answer out of many sources.

Small families are built as prometheus_client `Metric` objects at each scrape. Families with tens of thousands
of series (lag) are rendered by whoever collects them, once per collection, and only joined here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, cast

from prometheus_client import exposition as _text_format
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as _openmetrics_format
from prometheus_client.registry import Collector

CONTENT_TYPE_TEXT = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_TYPE_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EOF = b"# EOF\n"


class MetricSource(Protocol):
    """Metric families built anew at every scrape.

    `families` is called from the web thread while others write: it must be thread-safe, quick, and read only
    what is there (no Kafka call). A family name belongs to one source only.
    """

    def families(self) -> Iterable[Metric]:
        """The families of this source with their present samples."""
        ...


class RenderedSource(Protocol):
    """Metric families that are already text."""

    def text(self, openmetrics: bool) -> bytes:
        """The families, each line ended with a newline, without the closing `# EOF`.

        Args:
            openmetrics: OpenMetrics 1.0 if true, else the Prometheus text format 0.0.4.
        """
        ...


ErrorHook = Callable[[str, Exception], None]


class Exposition:
    """Joins sources into one scrape; a source that fails is left out and reported, the others still show.

    Args:
        sources: `MetricSource`s and `RenderedSource`s, in the order they appear.
        on_error: Called with a source's class name and its exception.
    """

    def __init__(
        self, sources: Sequence[MetricSource | RenderedSource], *, on_error: ErrorHook | None = None
    ) -> None:
        self._sources = tuple(sources)
        self._on_error = on_error

    def render(self, *, openmetrics: bool = False) -> bytes:
        """The whole exposition.

        Args:
            openmetrics: OpenMetrics 1.0 (ends with `# EOF`, keeps exemplars) instead of Prometheus text.
        """
        parts = list(self._parts(openmetrics))
        if openmetrics:
            parts.append(_EOF)
        return b"".join(parts)

    def _parts(self, openmetrics: bool) -> Iterator[bytes]:
        for source in self._sources:
            try:
                yield _render(source, openmetrics)
            except Exception as error:  # noqa: BLE001 - one broken family must not blank the scrape
                if self._on_error is not None:
                    self._on_error(type(source).__name__, error)


class _Once:
    """Shows prometheus_client a list of families as if it were a registry."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _render(source: MetricSource | RenderedSource, openmetrics: bool) -> bytes:
    text = getattr(source, "text", None)
    if callable(text):
        return cast("RenderedSource", source).text(openmetrics)
    once = cast("Collector", _Once(list(cast("MetricSource", source).families())))
    if not openmetrics:
        return _text_format.generate_latest(once)
    text_with_end: bytes = _openmetrics_format.generate_latest(once)  # type: ignore[no-untyped-call]
    return text_with_end.removesuffix(_EOF)


def wants_openmetrics(accept: str | None) -> bool:
    """Whether an `Accept` header asks for OpenMetrics (as Prometheus does) before plain text."""
    for item in (accept or "").split(","):
        media_type = item.split(";")[0].strip().lower()
        if media_type == "application/openmetrics-text":
            return True
        if media_type == "text/plain":
            return False
    return False
