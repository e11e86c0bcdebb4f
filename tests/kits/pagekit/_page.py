"""One page, line by line, in Prometheus text or OpenMetrics."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest

from flowtrail_collector.metrics.exposition import Exposition, Page

_LINE = re.compile(
    r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>(?:[^"{}]|"(?:[^"\\\n]|\\.)*")*)\})? (?P<value>\S+)(?P<rest>.*)',
    re.DOTALL,
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")

Series = tuple[str, tuple[tuple[str, str], ...]]


class PageError(AssertionError):
    """A page that no scraper may be given."""


class MetricsPage:
    """A page's series and their values.

    Args:
        text: the page; lines end at a line feed and nowhere else.

    Raises:
        PageError: a line that is none, a series or a family's head that is there twice, or a family that another one
            interrupts.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[Series, float] = {}
        self.families: list[str] = []
        heads: set[tuple[str, str]] = set()
        family = ""
        if text and not text.endswith("\n"):
            raise PageError(f"the last line has no end: {text[-80:]!r}")
        for line in text.split("\n")[:-1]:
            if line == "# EOF":
                continue
            if line.startswith("# "):
                kind, name = line[2:].split(" ", 2)[:2]
                if (kind, name) in heads:
                    raise PageError(f"{kind} of {name} is there twice")
                heads.add((kind, name))
                if name != family:
                    family = name
                    if name in self.families:
                        raise PageError(f"{name} is interrupted by another family")
                    self.families.append(name)
                continue
            name, labels, value = _read(line)
            if not name.startswith(family) or name.removeprefix(family) not in ("", *_SUFFIXES):
                # A family without a head.
                family = name
                if name in self.families:
                    raise PageError(f"{name} is interrupted by another family")
                self.families.append(name)
            if (name, labels) in self.values:
                raise PageError(f"{name}{dict(labels)} is there twice")
            self.values[name, labels] = value

    def one(self, name: str, **labels: str) -> float | None:
        """The value of one series; None if it isn't there."""
        return self.values.get((name, tuple(sorted(labels.items()))))

    def all(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """All series of one name, by their labels."""
        return {labels: value for (each, labels), value in self.values.items() if each == name}


# Most lines of a page are those of the one before.
@lru_cache(maxsize=50_000)
def _read(line: str) -> tuple[str, tuple[tuple[str, str], ...], float]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise PageError(f"no line: {line!r}")
    text, at, labels = found["labels"] or "", 0, {}
    while at < len(text):
        label = _LABEL.match(text, at)
        if label is None or label[1] in labels:
            raise PageError(f"no labels: {line!r}")
        labels[label[1]] = _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label[2])
        at = label.end()
    # Prometheus takes an empty label for one that isn't there.
    return found["name"], tuple(sorted(labels.items())), float(found["value"])


@contextmanager
def pages_watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reads every page that is put together meanwhile, whoever asks for it; refuses at the end what was wrong."""
    wrong: list[str] = []
    make = Exposition.page

    def page(self: Exposition, *, openmetrics: bool = False) -> Page:
        made = make(self, openmetrics=openmetrics)
        try:
            MetricsPage(b"".join(made.chunks()).decode())
        except PageError as error:
            wrong.append(str(error))
        return made

    monkeypatch.setattr(Exposition, "page", page)
    yield
    assert not wrong, wrong[:5]
