"""Which of several workers does what only one may do."""

from __future__ import annotations

from typing import Protocol


class Lease(Protocol):
    """A right that one worker has for a while."""

    def hold(self, seconds: float) -> bool:
        """Take the lease, or keep it, for so long from now.

        Returns:
            False if another worker has it.

        Raises:
            StoreError: Nobody can tell.
        """
        ...

    def give_up(self) -> None:
        """Let another worker take it at once.

        Raises:
            StoreError: It ends by itself.
        """
        ...
