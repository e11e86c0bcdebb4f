"""Tables of `flowtrail top`: one line for each row, as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.text import Text

__all__ = ["Column", "Table"]

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column behind the names.

    Attributes:
        name: Its heading.
        rank: The greater, the sooner it is left out; 0 stays as long as anything does.
        number: Whether it stands to the right.
    """

    name: str
    rank: int
    number: bool = True


class Table:
    """Names with figures. A name is never cut: one that has no room beside its figures has lines of its own.

    Args:
        title: Heading of the names.
        columns: The others.
        empty: What is said where there are no rows.
    """

    def __init__(self, title: str, columns: Sequence[Column], empty: str) -> None:
        self._title = title
        self._columns = columns
        self._empty = empty
        self._rows: list[tuple[str, Sequence[str], str]] = []
        self._more = 0

    def add(self, name: str, cells: Sequence[str], style: str = "") -> None:
        """Add a row."""
        self._rows.append((name, cells, style))

    def leave_out(self, number: int) -> None:
        """Say that there are more rows than were added."""
        self._more += number

    def lines(self, width: int | None) -> list[list[Text]]:
        """The heading, and then the lines of each row.

        Args:
            width: How wide a line may be; None for any.
        """
        if not self._rows:
            empty = f"{self._title}  {self._empty}"
            return [[Text(line, style="dim") for line in (chop_cells(empty, width) if width else [empty])]]
        shown = self._fitting(width)
        sizes = {number: self._cells(number) for number in shown}
        names = [cell_len(self._title), *(cell_len(name) for name, _, _ in self._rows)]
        beside = None if width is None else width - sum(size + _GAP for size in sizes.values())
        widest = max(size for size in names if beside is None or size <= max(beside, names[0]))
        found = [[self._line(self._title, [column.name for column in self._columns], sizes, widest, "bold")]]
        for name, cells, style in self._rows:
            found.append([*self._row(name, cells, style, sizes, widest, width)])
        return found

    def left_out(self, shown: int) -> int:
        """How many rows aren't shown if so many are."""
        return len(self._rows) - shown + self._more

    def _row(
        self,
        name: str,
        cells: Sequence[str],
        style: str,
        sizes: dict[int, int],
        widest: int,
        width: int | None,
    ) -> Iterator[Text]:
        if cell_len(name) > widest:
            for part in chop_cells(name, width) if width else [name]:
                yield Text(part, style=style)
            if not sizes:
                return
            name = ""
        yield self._line(name, cells, sizes, widest, style)

    def _line(self, name: str, cells: Sequence[str], sizes: dict[int, int], widest: int, style: str) -> Text:
        line = name + " " * (widest - cell_len(name))
        for number, size in sizes.items():
            room = " " * (size - cell_len(cells[number]))
            cell = room + cells[number] if self._columns[number].number else cells[number] + room
            line += " " * _GAP + cell
        return Text(line.rstrip(), style=style)

    def _cells(self, number: int) -> int:
        return max(map(cell_len, [self._columns[number].name, *(row[1][number] for row in self._rows)]))

    def _fitting(self, width: int | None) -> list[int]:
        """The columns that there is room for beside most names."""
        shown = list(range(len(self._columns)))
        if width is None:
            return shown
        # A name that would take half of the line has lines of its own rather than the columns of all others.
        sizes = [size for name, _, _ in self._rows if (size := cell_len(name)) <= width // 2]
        usual = max([cell_len(self._title), *sizes])
        while shown and usual + sum(self._cells(number) + _GAP for number in shown) > width:
            shown.remove(max(shown, key=lambda number: self._columns[number].rank))
        return shown
