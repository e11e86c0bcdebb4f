"""What is wrong with data, gathered on the way out of it."""

from __future__ import annotations

from flowtrail.contracts._format import BrokenError

IS_NULL = "; it is null: leave it out, or let the contract declare null"
IS_NULL_IN_PROTOBUF = "; it is null: leave it out"
_MAX_VIOLATIONS = 5


class WrongError(Exception):
    """Data that a contract doesn't take.

    Attributes:
        found: Path and rule of each violation.
    """

    def __init__(self, found: list[tuple[tuple[str, ...], str]]) -> None:
        super().__init__()
        self.found = found

    @property
    def lines(self) -> list[str]:
        """Field and rule of each, at most 5."""
        return [f"{'.'.join(path) or '(root)'}: {rule}" for path, rule in self.found[:_MAX_VIOLATIONS]]

    def as_broken(self) -> BrokenError:
        """For those outside of the format."""
        return BrokenError(self.lines)

    def within(self, name: object, hint: str = "") -> list[tuple[tuple[str, ...], str]]:
        """Its violations as they are seen from around.

        Args:
            name: The field, or the place in a list.
            hint: Said beside what is wrong with the whole of it.
        """
        return [((str(name)[:120], *path), rule if path else rule + hint) for path, rule in self.found]


def wrong(rule: str) -> WrongError:
    """One violation, right here."""
    return WrongError([((), rule)])
