"""Models that pydantic makes of decoded data: its own, and what nothing else here can make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

from flowtrail._accepted import accepted
from flowtrail.errors import ConfigurationError

Shape = Callable[[Any], Any]


_MOST_SAID = 5


def said(error: Exception) -> str:
    """What a model says of data that doesn't fit, in one line: of pydantic's own errors fields and rules, no values."""
    try:
        found = error.errors(include_url=False, include_context=False, include_input=False)  # type: ignore[attr-defined]
        parts = [": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found]
    except Exception:  # noqa: BLE001 - an error that isn't pydantic's says what it likes
        return " ".join(str(error).split())
    more = [f"{len(parts) - _MOST_SAID} more"] if len(parts) > _MOST_SAID else []
    return " ".join("; ".join([*parts[:_MOST_SAID], *more]).split())


def is_model(model: Any) -> bool:
    """Whether it is a model of pydantic, or looks like one."""
    return callable(getattr(model, "model_validate", None))


def of_model(model: Any, *, json: bool) -> Shape:
    """How to make a model of pydantic.

    Args:
        model: The class.
        json: Whether the data came as JSON: then it is read as pydantic reads JSON, which strict models need.

    Raises:
        ConfigurationError: One of its fields has a type that isn't there when the program runs.
    """
    if getattr(model, "__pydantic_complete__", True) is False:
        try:
            model.model_rebuild()
        except Exception as error:
            raise unresolved(model, error) from error
    if getattr(model.model_validate, "__module__", None) != "pydantic.main":  # its own way, or no pydantic
        validate: Shape = model.model_validate
        return validate
    ways = _both_names(model.model_validate)
    python: Shape = partial(model.model_validate, **ways)
    return _prepared(
        model, _from_json(partial(model.model_validate_json, **ways), python) if json else python
    )


def of_anything(model: Any, *, json: bool) -> Shape:
    """How pydantic makes any type.

    Raises:
        ConfigurationError: It can't, or isn't installed.
    """
    shown = getattr(model, "__name__", None) or str(model)
    if not _installed():
        raise ConfigurationError(
            f"Event[...] with {shown}: only pydantic can tell how data becomes that: install pydantic, "
            "or ask for a dataclass, a TypedDict, or a list or dict of them"
        )
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        adapter: Any = TypeAdapter(model)
    except PydanticUserError as error:
        raise ConfigurationError(
            f"Event[...] with {shown}: neither flowtrail nor pydantic can make it of data: "
            "ask for a dataclass, a TypedDict, a model of pydantic, or Any"
        ) from error
    except Exception as error:
        raise unresolved(model, error) from error
    ways = _both_names(adapter.validate_python)
    python: Shape = partial(adapter.validate_python, **ways)
    return _prepared(model, _from_json(partial(adapter.validate_json, **ways), python) if json else python)


def unresolved(model: Any, error: Exception) -> ConfigurationError:
    """That a model names what isn't there when the program runs."""
    shown = getattr(model, "__name__", None) or str(model)
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ConfigurationError(
        f"{shown} can't be used as Event[{shown}]: {reason}; what its fields name "
        "has to be imported outside of `if TYPE_CHECKING:`"
    )


@lru_cache(maxsize=1)
def _installed() -> bool:
    return find_spec("pydantic") is not None


def _both_names(validate: Callable[..., Any]) -> dict[str, bool]:
    """Fields by alias and by name, which pydantic knows since 2.11."""
    known = inspect.signature(validate).parameters
    return {way: True for way in ("by_alias", "by_name") if way in known}


def _prepared(model: Any, shape: Shape) -> Shape:
    prepare = accepted(model)
    return shape if prepare is None else lambda data: shape(prepare(data))


def _from_json(read: Shape, python: Shape) -> Shape:
    from pydantic_core import PydanticSerializationError, to_json

    def shape(data: Any) -> Any:
        try:
            text = to_json(data)
        except (PydanticSerializationError, ValueError):  # an upcaster's own objects
            return python(data)
        return read(text)

    return shape
