"""What is said of data that a handler's model refuses: one line, fields and rules, no values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from flowtrail._shape import shape_of, shaped
from flowtrail.errors import DecodeError


class Line(pydantic.BaseModel):
    sku: str
    count: int


class Order(pydantic.BaseModel):
    id: str
    lines: list[Line]


class Wide(pydantic.BaseModel):
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int


class Checked(pydantic.BaseModel):
    id: str

    @pydantic.field_validator("id")
    @classmethod
    def two_lines(cls, value: str) -> str:
        raise ValueError("first\nsecond")


@dataclass
class Plain:
    id: str


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        (Order, {"id": "7"}, "doesn't fit Order: lines: Field required"),
        (
            Order,
            {"id": "7", "lines": [{"sku": "a", "count": "secret"}]},
            "doesn't fit Order: lines.0.count: Input should be a valid integer, unable to parse string as an integer",
        ),
        (Order, {}, "doesn't fit Order: id: Field required; lines: Field required"),
        (Checked, {"id": "secret"}, "doesn't fit Checked: id: Value error, first second"),
    ],
)
def test_what_a_model_says(model: Any, data: Any, said: str) -> None:
    shape = shape_of(model)
    assert shape is not None
    with pytest.raises(DecodeError) as caught:
        shaped(data, model, shape)
    assert str(caught.value) == said


@pytest.mark.parametrize("model", [Order, Wide, Checked, Plain])
def test_it_stays_on_one_line_and_short(model: Any) -> None:
    shape = shape_of(model)
    assert shape is not None
    with pytest.raises(DecodeError) as caught:
        shaped({"other": "x"}, model, shape)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
    assert model is not Wide or str(caught.value).endswith("; 2 more")
