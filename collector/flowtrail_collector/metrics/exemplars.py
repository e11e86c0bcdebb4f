"""Exemplars: for each bucket of a histogram a trace of something that fell into it lately."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client.samples import Exemplar

__all__ = ["BucketExemplars", "ExemplarOf", "no_exemplar"]

ExemplarOf = Callable[[tuple[str, ...], str], Exemplar | None]
"""The exemplar of a bucket, by label values and upper bound."""

# One exemplar every ten seconds and bucket is what scrapers see anyway.
_LEAST_SECONDS = 10.0
_MOST_SERIES = 2_000


def no_exemplar(labels: tuple[str, ...], bound: str) -> Exemplar | None:
    """For histograms without."""
    return None


class BucketExemplars:
    """The exemplars of one histogram.

    Args:
        bounds: Upper bounds of its buckets, as in the label `le`, without the last one.
        clock: Seconds since the epoch.
    """

    def __init__(self, bounds: Sequence[str], clock: Callable[[], float]) -> None:
        self._bounds = (*bounds, "+Inf")
        self._clock = clock
        self._found: dict[tuple[tuple[str, ...], str], Exemplar] = {}

    def wants(self, labels: tuple[str, ...], place: int) -> bool:
        """Whether a bucket's exemplar is missing or old."""
        known = self._found.get((labels, self._bounds[place]))
        if known is None:
            return len(self._found) < _MOST_SERIES
        return self._clock() - float(known.timestamp or 0) >= _LEAST_SECONDS

    def keep(self, labels: tuple[str, ...], place: int, trace_id: str, seconds: float) -> None:
        """Take note of a trace."""
        exemplar = Exemplar({"trace_id": trace_id}, seconds, round(self._clock(), 3))
        self._found[labels, self._bounds[place]] = exemplar

    def of(self, labels: tuple[str, ...], bound: str) -> Exemplar | None:
        """See `ExemplarOf`."""
        return self._found.get((labels, bound))
