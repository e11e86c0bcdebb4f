"""Logical types: between what is written and what programs have.

What a value is written as, `raw` here, is what the type beneath has: a number, bytes, text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from flowtrail.contracts._violations import wrong
from flowtrail.contracts.avro._nodes import Node

_EPOCH, _LOCAL_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
_EPOCH_DAY: Final = _LOCAL_EPOCH.toordinal()
_MICROSECOND, _DAY_MICROS = timedelta(microseconds=1), 86_400_000_000
_FIRST, _LAST = ((end - _LOCAL_EPOCH) // _MICROSECOND for end in (datetime.min, datetime.max))
_STEPS: Final = {"millis": 1000, "micros": 1}
_LONG: Final = 2**63
# Of any length, and it raises nothing: how many digits there may be is asked before.
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


class Conversion(NamedTuple):
    """A logical type that has a Python type of its own.

    Attributes:
        python: What readers get.
        raw: From a value, or from what is taken for one, to what is written; raises `WrongError`.
        made: From what was written to the value; raises ValueError or OverflowError.
    """

    python: type
    raw: Callable[[Any], Any]
    made: Callable[[Any], Any]

    def exact(self, value: Any) -> Any:
        """As `raw`, for what readers get back just as it is; raises `WrongError` for everything else."""
        raw = self.raw(value)
        if type(value) is not self.python or self.made(raw) != value:
            raise wrong("isn't held exactly")
        return raw


def conversion_of(node: Node) -> Conversion | None:
    """How values of a node become what is written and back; None if they are that already."""
    logical, unit = node.logical, node.logical.rpartition("-")[2]
    if logical == "decimal":
        return Conversion(Decimal, partial(_decimal_raw, node), partial(_decimal, node))
    if logical == "uuid":
        if node.kind == "fixed":
            return Conversion(UUID, lambda value: _uuid(value).bytes, lambda raw: UUID(bytes=raw))
        return Conversion(UUID, lambda value: str(_uuid(value)), UUID)
    if logical == "date":
        return Conversion(date, _date_raw, lambda raw: date.fromordinal(raw + _EPOCH_DAY))
    if unit == "nanos":
        return Conversion(int, partial(_nanos_raw, node), int)
    if logical.startswith("time-"):
        return Conversion(time, partial(_time_raw, node, _STEPS[unit]), partial(_time, _STEPS[unit]))
    if "timestamp-" in logical:
        epoch = _LOCAL_EPOCH if logical.startswith("local-") else _EPOCH
        return Conversion(
            datetime, partial(_moment_raw, node, epoch, _STEPS[unit]), partial(_moment, epoch, _STEPS[unit])
        )
    return None


def _decimal_raw(node: Node, value: Any) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool):
        value = _EXACT.create_decimal(value) if value.bit_length() <= 4 * node.precision else _too_many(node)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise wrong(f"type should be {node.shown}")
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or -exponent > node.scale:
        raise wrong(f"more than {node.scale} digits after the point")
    if not value:
        unscaled = 0
    elif len(digits) + exponent + node.scale > node.precision:
        _too_many(node)
    else:
        unscaled = int(_EXACT.scaleb(value, node.scale))
    bits = (unscaled if unscaled >= 0 else ~unscaled).bit_length()
    return unscaled.to_bytes(node.size if node.kind == "fixed" else bits // 8 + 1, "big", signed=True)


def _too_many(node: Node) -> Any:
    raise wrong(f"more than {node.precision} digits")


def _decimal(node: Node, raw: bytes) -> Decimal:
    unscaled = int.from_bytes(raw, "big", signed=True)
    if unscaled.bit_length() > 4 * node.precision or abs(unscaled) >= 10**node.precision:
        raise ValueError(f"more than {node.precision} digits")
    return _EXACT.scaleb(Decimal(unscaled), -node.scale)


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise wrong("type should be uuid") from None


def _date_raw(value: Any) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.toordinal() - _EPOCH_DAY
    number = _number(value, "date: a date, or its number")
    if not 1 <= number + _EPOCH_DAY <= date.max.toordinal():
        raise wrong("out of the range of date: the years 1 to 9999")
    return number


def _time_raw(node: Node, step: int, value: Any) -> int:
    if isinstance(value, time) and value.tzinfo is None:
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return (seconds * 1_000_000 + value.microsecond) // step
    number = _number(value, f"{node.logical}: a time of day without a time zone, or its number")
    if not 0 <= number * step < _DAY_MICROS:
        raise wrong(f"out of the range of {node.logical}: one day")
    return number


def _time(step: int, raw: int) -> time:
    if not 0 <= raw * step < _DAY_MICROS:
        raise ValueError("out of the range of a day")
    return (_LOCAL_EPOCH + timedelta(microseconds=raw * step)).time()


def _moment_raw(node: Node, epoch: datetime, step: int, value: Any) -> int:
    number = _since(epoch, value)
    number = _number(value, _moment_words(node, epoch)) if number is None else number // step
    if not _FIRST <= number * step <= _LAST:
        raise wrong(f"out of the range of {node.logical}: the years 1 to 9999 in UTC")
    return number


def _since(epoch: datetime, value: Any) -> int | None:
    """Microseconds; None if it is no moment of that kind."""
    if not isinstance(value, datetime) or (value.utcoffset() is None) != (epoch.tzinfo is None):
        return None
    return (value - epoch) // _MICROSECOND


def _moment_words(node: Node, epoch: datetime) -> str:
    return (
        f"{node.logical}: a datetime with{'out' if epoch.tzinfo is None else ''} a time zone, or its number"
    )


def _moment(epoch: datetime, step: int, raw: int) -> datetime:
    return epoch + timedelta(microseconds=raw * step)


def _nanos_raw(node: Node, value: Any) -> int:
    epoch = _LOCAL_EPOCH if node.logical.startswith("local-") else _EPOCH
    micros = _since(epoch, value)
    number = _number(value, _moment_words(node, epoch)) if micros is None else micros * 1000
    if not -_LONG <= number < _LONG:
        raise wrong(f"out of the range of {node.logical}: the years 1678 to 2261")
    return number


def _number(value: Any, needed: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise wrong(f"type should be {needed}")


_READ_AS: Final[dict[str, type]] = {
    "null": type(None), "boolean": bool, "int": int, "long": int, "float": float, "double": float,
    "bytes": bytes, "fixed": bytes, "string": str, "enum": str, "array": list, "map": dict, "record": dict,
}  # fmt: skip


def python_of(node: Node) -> type:
    """The type of what readers get; not of a union."""
    conversion = conversion_of(node)
    return _READ_AS[node.kind] if conversion is None else conversion.python
