"""What happens in a forked child: its parent's threads are gone, its locks may be held for ever.

A child starts with its parent's objects, but with none of its threads. Whoever has threads, locks or
connections says here what to do about them; a new connection is opened when it is needed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from types import MethodType
from typing import Any
from weakref import ref

generation = 0
"""How many forks lie between this process and the one that imported the library."""

_hooks: dict[ref[Any], Callable[[Any], None]] = {}
_forget: Any = _hooks.pop  # needs no global name, which the interpreter's end takes away first
_functions: list[Callable[[], None]] = []


def in_child(method: Callable[[], None]) -> None:
    """Have a bound method, one of each object, called in every child, as long as its object lives.

    The forking thread calls it before `fork` returns there: it must neither block nor take a lock that
    another thread could have held.
    """
    assert isinstance(method, MethodType)
    _hooks[ref(method.__self__, _forget)] = method.__func__


def always_in_child(function: Callable[[], None]) -> None:
    """`in_child` for a function of a module, which is there as long as the process."""
    _functions.append(function)


def leave_behind(thing: object) -> None:
    """Keep an object of the parent's for as long as the process, and past the interpreter's own end.

    A client that is finalized in a child waits for threads that aren't there, or says goodbye on a
    connection that its parent still uses.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def free(lock: Any) -> None:
    """Make a lock free in a child, in place: whoever held it is not there to let it go."""
    lock._at_fork_reinit()


def _forked() -> None:
    global generation  # noqa: PLW0603 - a count of the process
    generation += 1
    for forget in _functions:
        forget()
    # Held while they are called: one of them may drop the last reference to another.
    held = [(found(), function) for found, function in list(_hooks.items())]
    for owner, function in held:
        if owner is not None:
            function(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
