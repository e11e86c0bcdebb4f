"""What a JSON Schema says of numbers, texts and lists: exactly, always alike, and in a time that has an end."""

import json
import time
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractkit import write_json
from flowtrail.contracts import Contracts
from flowtrail.contracts.json_schema._texts import FORMATS, SECONDS
from flowtrail.contracts.json_schema._validator import Compiled
from flowtrail.errors import ContractError
from waiting import scaled

STEPS = ("0.01", "0.1", "0.3", "0.025", "1e-7", "2.5", "3", "7.0", "1000")
EXACT = Context(prec=1_000)


def _one(**rules: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"p": rules}}


@pytest.fixture(scope="module")
def stepping() -> dict[str, Compiled]:
    return {step: Compiled("A/1", _one(type="number", multipleOf=json.loads(step))) for step in STEPS}


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(STEPS), st.integers(-(10**15), 10**15), st.integers(-200, 200), st.booleans())
def test_a_multiple_is_told_by_the_numbers_as_they_are_written(
    stepping: dict[str, Compiled], step: str, digits: int, exponent: int, multiplied: bool
) -> None:
    """Decimal arithmetic decides, on the very texts; a double knows fifteen digits of them."""
    number = Decimal(digits % 10**9) * Decimal(step) if multiplied else Decimal(f"{digits}e{exponent}")
    text = f"{number:e}" if exponent % 2 else f"{number:f}"
    expected = EXACT.remainder(Decimal(text), Decimal(step)) == 0
    data = json.loads(f'{{"p": {text}}}')
    assert (stepping[step].violations_writing(data) == []) is expected
    assert (stepping[step].violations_reading(data) == []) is expected


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e400", f"1{'0' * 400}", "1e308", "5e-324"])
@pytest.mark.parametrize("rule", [{"multipleOf": 0.01}, {"minimum": 0}, {"multipleOf": 3}, {}])
def test_numbers_that_python_has_and_json_lacks_are_told_as_a_field(rule: dict[str, Any], text: str) -> None:
    found = Compiled("A/1", _one(type="number", **rule)).violations_reading(json.loads(f'{{"p": {text}}}'))
    assert all(line.startswith("p: ") for line in found)
    assert found or text not in ("NaN", "-Infinity", "1e400")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, 1.0, -0.0, 2.0**61, 2**61, "1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON Schema has it."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    numbers = {type(one), type(other)} <= {int, float}
    return (numbers or type(one) is type(other)) and one == other


UNIQUE = Compiled("A/1", _one(uniqueItems=True))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(JSON, max_size=5))
def test_elements_are_unique_if_no_two_are_the_same(values: list[Any]) -> None:
    twice = any(_same(one, other) for at, one in enumerate(values) for other in values[:at])
    assert UNIQUE.violations_writing({"p": values}) == (["p: uniqueItems should be True"] if twice else [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "element",
    [lambda n: {"a": [n]}, lambda n: n, lambda n: n * (2**61 - 1), str, lambda n: [n, {"b": n}]],
    ids=["objects", "numbers", "numbers of one hash", "texts", "lists"],
)
def test_a_long_list_is_looked_at_once(element: Any) -> None:
    values = [element(n) for n in range(20_000)]
    started = time.process_time()
    assert UNIQUE.violations_reading({"p": values}) == []
    assert UNIQUE.violations_reading({"p": [*values, values[0]]})
    assert time.process_time() - started < scaled(5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schema",
    [
        _one(pattern=r"^(a|aa)+$"),
        {"patternProperties": {r"^(a|aa)+$": {}}},
        {"patternProperties": {r"^(a|aa)+$": {}}, "additionalProperties": False},
        _one(anyOf=[{"type": "integer"}, {"pattern": r"^(a|aa)+$"}]),
    ],
)
def test_a_pattern_that_goes_on_for_ever_breaks_the_contract(schema: dict[str, Any], tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write_json(tmp_path, A=[schema]))
    text = "a" * 60 + "!"
    started = time.process_time()
    with pytest.raises(ContractError, match="takes over 1 s for one text"):
        contracts.pack("A", 1, {"p": text} if "properties" in schema else {text: 1})
    assert time.process_time() - started < scaled(5 * SECONDS)


RIGHT_AND_WRONG = {
    "date": (["2020-02-29", "0001-01-01"], ["2021-02-29", "2020-2-1", "20200201", "2020-01-01Z", ""]),
    "time": (
        ["00:00:00Z", "23:59:60z", "12:30:01.123456789+05:30"],
        ["25:00:00Z", "12:00:00", "12:00Z", "12:00:00+5", "12:00:00.Z", "12:00:00+24:00", "12:60:00Z"],
    ),
    "date-time": (
        ["2020-01-01T00:00:00Z", "2020-12-31t23:59:60.5-00:00"],
        ["nope", "2020-01-01T00:00:00", "2020-01-01 00:00:00Z", "2020-13-01T00:00:00Z", "2020-01-01"],
    ),
    "email": (["a@example.com"], ["example.com"]),
    "ipv4": (["127.0.0.1"], ["999.1.1.1", "1.2.3"]),
    "ipv6": (["::1"], ["1::2::3", "12345::"]),
    "regex": (["^a+$", r"\p{Lu}"], ["(", "[a"]),
    "uri": (
        ["https://example.com/a?b=c#d", "urn:isbn:0451450523", "mailto:a@example.com", "http://[::1]:80/%20"],
        ["::", "//example.com", "example.com/a", "http://a b", "http://a/%zz", "http://a:port/", "1a:b", "http://ä"],
    ),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["x", "123e4567e89b12d3a456426614174000"]),
}  # fmt: skip


def test_every_format_that_is_asserted_has_its_table_here_and_its_word_in_the_docs() -> None:
    assert set(RIGHT_AND_WRONG) == set(FORMATS.checkers)
    page = (Path(__file__).parents[3] / "docs" / "contract-formats.md").read_text()
    (line,) = [line for line in page.splitlines() if "`format`" in line]
    assert all(f"`{name}`" in line for name in RIGHT_AND_WRONG)


@pytest.mark.parametrize("name", RIGHT_AND_WRONG)
@pytest.mark.parametrize(
    "draft",
    ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema",
     "https://json-schema.org/draft/2020-12/schema"],
)  # fmt: skip
def test_a_format_means_the_same_in_every_draft_and_installation(name: str, draft: str) -> None:
    compiled = Compiled("A/1", {"$schema": draft, **_one(format=name)})
    right, wrong = RIGHT_AND_WRONG[name]
    assert [text for text in right if compiled.violations_writing({"p": text})] == []
    assert [text for text in wrong if not compiled.violations_writing({"p": text})] == []
    assert compiled.violations_writing({"p": 5}) == []
