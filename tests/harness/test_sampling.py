"""Which of a large table runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.sampling import sampled


def items(every: int | None) -> list[SimpleNamespace]:
    mark = None if every is None else SimpleNamespace(args=(every,))
    return [
        SimpleNamespace(nodeid=f"test_it.py::test_it[{number}]", get_closest_marker=lambda name: mark)
        for number in range(10)
    ]


@pytest.mark.parametrize(("every", "kept"), [(None, 10), (1, 10), (3, 4), (11, 1)])
def test_every_nth_of_a_table_runs(monkeypatch: pytest.MonkeyPatch, every: int | None, kept: int) -> None:
    monkeypatch.delenv("FLOWTRAIL_FULL", raising=False)
    found, left = sampled(items(every))  # type: ignore[arg-type]
    assert (len(found), len(left)) == (kept, 10 - kept)


def test_all_of_it_runs_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWTRAIL_FULL", "1")
    assert len(sampled(items(3))[0]) == 10  # type: ignore[arg-type]
