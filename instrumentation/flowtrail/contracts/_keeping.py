"""Data held to its contract: whatever goes wrong with that is the data's fault, and one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flowtrail.contracts._format import BrokenError
from flowtrail.errors import ContractError, FlowtrailError

T = TypeVar("T")


def kept(type: str, version: int, check: Callable[[], T]) -> T:
    """What comes of holding data to its contract.

    Raises:
        ContractError: It breaks it, or nobody can say: whatever the data's own methods raise ends here.
        FlowtrailError: Something else is wrong.
    """
    try:
        return check()
    except BrokenError as error:
        raise ContractError(type, str(version), error.lines) from None
    except FlowtrailError:
        raise
    except Exception as error:
        # The message of the error may show the payload; its type doesn't.
        reason = f"(root): it can't be held to the contract: {error.__class__.__name__}"
        raise ContractError(type, str(version), [reason]) from error


def hold(broken: Sequence[str]) -> None:
    """Go on if nothing is broken.

    Raises:
        BrokenError: Something is.
    """
    if broken:
        raise BrokenError(broken)


def upcast(type: str, version: int, function: Callable[[Any], Any], data: Any) -> Any:
    """Data of the next version.

    Raises:
        ContractError: The upcaster failed.
    """
    try:
        return function(data)
    except Exception as error:
        raise ContractError(
            type, str(version), [f"(root): the upcaster failed with {error.__class__.__name__}"]
        ) from error
