"""How wide the columns of a trail on the terminal are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from flowtrail_collector.cli._output import spans

__all__ = ["FIGURE_CELLS", "SERVICE", "Columns"]

SERVICE = "SERVICE"
FIGURE_CELLS = 9
_SERVICE_CELLS = 14
_LEAST_WHAT_CELLS = 16
_USUAL_WHAT_CELLS = 44
_LEAST_AXIS_CELLS = 12
_GOOD_AXIS_CELLS = 16
# Below this, the axis needs the room that the column of waits takes; bars show waits, too.
_WITH_QUEUES = 72
_WIDEST = 200
_PIPED = 100
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column; what doesn't fit in its column goes on below it, never cut.

    Attributes:
        service: Of the services' names.
        what: Of what happened.
        axis: Of the time axis; 0 where there is no room for one.
        queues: Whether waits are told as figures, too.
        width: Of a whole line; None for any.
    """

    service: int
    what: int
    axis: int
    queues: bool
    width: int | None

    @classmethod
    def of(
        cls, width: int | None, services: Collection[str], heads: Collection[str], wholes: Collection[str]
    ) -> Columns:
        """The columns for a trail.

        Args:
            width: Of the terminal; None if nobody looks: then each row stays on one line.
            services: Their names.
            heads: What happened in the fewest words, for each row.
            wholes: The same with all that belongs to it.
        """
        given = min(width or _PIPED, _WIDEST)
        named = max(map(cell_len, (SERVICE, *services)))
        service = named if width is None else min(named, _SERVICE_CELLS, max(len(SERVICE), given // 5))
        queues = given >= _WITH_QUEUES
        rest = given - service - FIGURE_CELLS * (1 + queues) - 4
        usual = max(_LEAST_WHAT_CELLS, min(_USUAL_WHAT_CELLS, int(rest * 0.45)))
        if width is None:
            what = max(usual, *map(cell_len, wholes), 0)
            return cls(service, what, max(_LEAST_AXIS_CELLS, rest - what), queues, None)
        what = max(usual, min(max(map(cell_len, heads), default=0), rest - _GOOD_AXIS_CELLS))
        if rest - what < _LEAST_AXIS_CELLS:
            what = max(_LEAST_WHAT_CELLS, min(what, rest - _LEAST_AXIS_CELLS))
        axis = rest - what
        if axis < _LEAST_AXIS_CELLS:
            return cls(service, max(1, rest + 1), 0, queues, width)
        return cls(service, what, axis, queues, width)

    @property
    def below(self) -> int | None:
        """Room for what goes on below its row, where there is neither axis nor figure."""
        return None if self.width is None else self.width - self.service - 1 - _INDENT

    def lines(self, head: Text, tail: Text) -> Iterator[Text]:
        """What happened, as the line that stands beside the axis and those below it.

        Args:
            head: In the fewest words.
            tail: What belongs to it, told on a line of its own where not all of it fits beside the axis.
        """
        whole = head.copy().append_text(tail)
        if whole.cell_len <= self.what:
            yield whole
            return
        beside, *below = spans(head.plain, self.what, self.below)
        yield head[slice(*beside)]
        for span in below:
            yield self._indented(head[slice(*span)])
        if tail:
            told = tail[len(tail.plain) - len(tail.plain.lstrip()) :]
            for span in spans(told.plain, self.below, self.below):
                yield self._indented(told[slice(*span)])

    def _indented(self, line: Text) -> Text:
        room = self.service + 1 + _INDENT
        if self.width is not None:
            room = max(0, min(room, self.width - line.cell_len))
        return Text(" " * room).append_text(line)
