"""The axis of a trail that waits for something after its last entry."""

from typing import Any

import pytest

from flowtrail_collector.trails.drawing import trail_scale

_DAY = 86_400.0


def _trail(until_seconds: float, moments: int) -> dict[str, Any]:
    """Two entries a day apart, and steps that are waited for until then."""
    entries = [{"offset_seconds": at, "duration_seconds": 1.0} for at in (0.0, _DAY)]
    end = _DAY + 1.0
    steps = [
        {
            "step": f"s{number}", "undo": False, "since_offset_seconds": 0.0, "until_offset_seconds": end,
            "deadline_offset_seconds": end + until_seconds * (number + 1) / moments,
        }
        for number in range(moments)
    ]  # fmt: skip
    return {"duration_seconds": end, "entries": entries, "missing": steps, "later": []}


@pytest.mark.parametrize("until_seconds", [0.0, 1.0, 60.0, 3600.0, 7 * _DAY])
@pytest.mark.parametrize("moments", [1, 3, 30])
def test_moments_are_drawn_in_their_order(until_seconds: float, moments: int) -> None:
    scale = trail_scale(_trail(until_seconds, moments))
    assert len(scale.gaps) == len(scale.shares) >= 1
    asked = [0.0, 1.0, _DAY / 2, _DAY, _DAY + 1, _DAY + 1 + until_seconds]
    drawn = [scale.place(seconds) for seconds in asked]
    assert drawn == sorted(drawn)
    assert (drawn[0], drawn[-1]) == (0.0, pytest.approx(1.0))
