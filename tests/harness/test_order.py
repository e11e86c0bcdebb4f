"""Files that take long come first, whole and unchanged inside."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.order import expected_seconds, in_order_of_cost


def item(name: str, **marks: tuple[float, ...]) -> Any:
    found = {mark: SimpleNamespace(args=args) for mark, args in marks.items()}
    return SimpleNamespace(nodeid=name, get_closest_marker=found.get)


@pytest.mark.parametrize(
    ("cheaper", "dearer"),
    [
        ({}, {"servers": ()}),
        ({"servers": ()}, {"slow": ()}),
        ({"slow": ()}, {"slow": (), "servers": ()}),
        ({"slow": (), "servers": ()}, {"slow": (40,)}),
    ],
)
def test_marks_say_how_long_a_test_takes(
    cheaper: dict[str, tuple[float, ...]], dearer: dict[str, tuple[float, ...]]
) -> None:
    assert expected_seconds(item("a", **cheaper)) < expected_seconds(item("a", **dearer))


def test_the_longest_file_comes_first_and_stays_in_one_piece() -> None:
    items = [
        item("a.py::many[1]"), item("a.py::many[0]"), item("b.py::one", slow=(30,)),
        item("c.py::T::first"), item("c.py::T::long", slow=(40,)), item("c.py::last"),
    ]  # fmt: skip
    in_order_of_cost(items)
    assert [one.nodeid for one in items] == [
        "c.py::T::first", "c.py::T::long", "c.py::last", "b.py::one", "a.py::many[1]", "a.py::many[0]",
    ]  # fmt: skip
