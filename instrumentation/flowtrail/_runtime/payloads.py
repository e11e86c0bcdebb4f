"""What a handler asks for with `Event[Model]`, and how an event's data becomes it."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flowtrail._batch import Batch
from flowtrail._codec import Codec, JsonCodec, format_of
from flowtrail._event import Event
from flowtrail._shape import shape_of, shaped
from flowtrail._telemetry import Decode
from flowtrail.contracts import Guard, message_shape
from flowtrail.errors import ConfigurationError
from flowtrail.wire import Envelope

# Programs often import these for type checking only; then they still mean what they say.
_OWN_NAMES: Mapping[str, Any] = {"Event": Event, "Batch": Batch}


def decoder(codec: Codec, guard: Guard, topic: str, model: Any = None) -> Decode:
    """Makes an event's data: decoded by its contract or the codec, held to its contract, shaped.

    In structured mode the data came with the envelope and is decoded already, unless it is bytes.

    Args:
        codec: Decodes bytes.
        guard: Knows the contracts.
        topic: For the metrics.
        model: What the handler asks for, None to take data as it is.
    """
    plain = None if model is None else message_shape(model) or shape_of(model, json=False)
    of_json = plain if plain is None or message_shape(model) else shape_of(model)
    wanted = format_of(codec)

    def decode(envelope: Envelope, value: Any) -> Any:
        # A client with a deserializer hands over data, not bytes.
        unpacked, json = None, envelope.structured
        if isinstance(value, bytes):
            said = envelope.content_type
            unpacked = guard.unpacking(envelope.type, envelope.dataschema, said, value, wanted)
            # A contract whose payloads name themselves is one of JSON, so it has more to say about them.
            json = isinstance(codec, JsonCodec) if unpacked is None else not unpacked.fits
            value = codec.decode(value, said) if unpacked is None else unpacked.data
        data = guard.reading(topic, envelope, value, unpacked)
        shape = of_json if json else plain
        return data if shape is None else shaped(data, model, shape)

    return decode


def model_of(function: Callable[..., Any], frame: types.FrameType | None = None) -> Any:
    """The `Model` in a handler's `event: Event[Model]` or `batch: Batch[Model]`, None if there is none.

    Args:
        function: The handler: a function, method, partial or callable object.
        frame: Where it is registered; a model that is local to that function is found there.

    Raises:
        ConfigurationError: The annotation, or a field of the model, names something that isn't there when
            the program runs, so that nobody can know what the handler wants.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin says nothing about its parameters
        return None
    if not parameters or parameters[0].annotation is inspect.Parameter.empty:
        return None
    model = _model_in(_resolved(function, parameters[0], frame))
    if model is None or model is Any or isinstance(model, typing.TypeVar):
        return None
    message_shape(model) or shape_of(model)  # refuses now what can't be resolved later
    return model


def _model_in(hint: Any) -> Any:
    hint = getattr(hint, "__value__", hint)  # `type Alias = Event[Model]`
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [_model_in(argument) for argument in typing.get_args(hint)]
        return next((model for model in found if model is not None), None)
    return typing.get_args(hint)[0] if typing.get_origin(hint) in (Event, Batch) else None


def _resolved(
    function: Callable[..., Any], parameter: inspect.Parameter, frame: types.FrameType | None
) -> Any:
    plain = _underlying(function)
    names = {**_OWN_NAMES, **getattr(plain, "__globals__", {}), **_locals_around(plain, frame)}
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return typing.get_type_hints(holder, names)[parameter.name]
    except Exception as error:
        name = getattr(plain, "__qualname__", repr(function))
        text = parameter.annotation if isinstance(parameter.annotation, str) else repr(parameter.annotation)
        raise ConfigurationError(
            f"{name}({parameter.name}: {text}): {error}; import it outside of `if TYPE_CHECKING:`, "
            "so that the data can be made into it"
        ) from error


def _underlying(function: Any) -> Any:
    """The function whose module and closure an annotation is written in."""
    while not inspect.isfunction(function):
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isfunction(called := getattr(type(function), "__call__", None)):  # noqa: B004
            function = called
        else:
            break
    return inspect.unwrap(function)


def _locals_around(function: Any, frame: types.FrameType | None) -> Mapping[str, Any]:
    """The local names that a handler written inside a function can mean."""
    if not inspect.isfunction(function):
        return {}
    code = function.__code__
    while frame is not None and code not in frame.f_code.co_consts:
        frame = frame.f_back
    around = dict(frame.f_locals) if frame is not None and frame.f_code.co_name != "<module>" else {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a variable that has no value yet
            around[name] = cell.cell_contents
    return around
