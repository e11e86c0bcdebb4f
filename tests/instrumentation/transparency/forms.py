"""Every way to give a method its arguments, made from the method's real signature."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka


class Form(NamedTuple):
    """Which arguments a call gives, and how.

    Attributes:
        places: Names of those given by position, in order.
        names: Names of those given by keyword.
    """

    places: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def all(self) -> frozenset[str]:
        """Names of everything given."""
        return frozenset(self.places + self.names)

    def __str__(self) -> str:
        return ",".join([*self.places, *(f"{name}=" for name in self.names)])

    def of(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments with these values."""
        return tuple(values[name] for name in self.places), {name: values[name] for name in self.names}


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters of a method, without `self`."""
    return list(inspect.signature(function).parameters.values())[1:]


def parameters_in_c(kind: str, method: str) -> list[inspect.Parameter]:
    """Parameters of a method that is written in C: from the types that confluent-kafka ships with it."""
    stub = Path(confluent_kafka.__file__).with_name("cimpl.pyi").read_text(encoding="utf-8")
    (described,) = [
        node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef) and node.name == kind
    ]
    (function,) = [
        node for node in described.body if isinstance(node, ast.FunctionDef) and node.name == method
    ]
    names = [argument.arg for argument in function.args.args[1:]]
    return [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]


def by_name_only(names: list[str]) -> list[inspect.Parameter]:
    """Parameters that can't be given by position."""
    return [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]


def forms(parameters: list[inspect.Parameter], always: tuple[str, ...] = ()) -> list[Form]:
    """All of them, with the first so many by position; each alone; and so many by position and no more.

    Args:
        parameters: What the method takes.
        always: What no call can go without.
    """
    placed = [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
    named = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    found = []
    for count in range(len(placed) + 1):
        found.append(Form(tuple(placed[:count]), (*placed[count:], *named)))
        found.append(Form(tuple(placed[:count]), ()))
    for name in [*placed, *named]:
        others = [one for one in always if one != name]
        first = tuple(one for one in others if one in placed)
        found.append(Form(first, (*(one for one in others if one not in first), name)))
        found.append(Form((), (*others, name)))
    return [form for form in dict.fromkeys(found) if form.all.issuperset(always)]
