"""What `--keep` takes, what it refuses, and which trails it lets go."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.keeping.model import Family, Policy, kind_of
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.settings import RetentionConfig
from flowtrail_collector.settings.keep import Kept, parse_keep

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_000 * DAY_MS
_TROUBLES = ({"breached": ("ship",)}, {"conflict": True}, {"not_undone": True}, {"late_events": 1})


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ((), {}),
        (("completed=1%",), {"completed": Kept(0.01)}),
        (("completed=0.5%, 7d", "failed=90d"), {"completed": Kept(0.005, 7 * 86_400.0), "failed": Kept(1.0, 90 * 86_400.0)}),
        (("completed=10%", "completed=2h"), {"completed": Kept(0.1, 7_200.0)}),
        (("completed=0%", "troubled=100%"), {"completed": Kept(0.0), "troubled": Kept()}),
    ],
)  # fmt: skip
def test_what_is_kept(texts: tuple[str, ...], kept: dict[str, Kept]) -> None:
    assert parse_keep(texts) == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("completed", "one of completed, troubled"),
        ("complete=1%", "one of completed, troubled"),
        ("completed=1", "neither a share nor a time span"),
        ("completed=", "neither a share nor a time span"),
        ("completed=101%", "at most 100%"),
        ("completed=0d", "longer than 0"),
        ("failed=1%", "such as failed=90d"),
    ],
)
def test_what_is_refused_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        RetentionConfig(keep=(text,)).validate()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_kind_of_trouble_is_more_than_completed() -> None:
    assert kind_of(SagaRecord("f", "k", outcome=Outcome.COMPLETED)) == "completed"
    assert kind_of(SagaRecord("f", "k", outcome=Outcome.COMPLETED), letters=True) == "troubled"
    for trouble in _TROUBLES:
        assert kind_of(SagaRecord("f", "k", outcome=Outcome.COMPLETED, **trouble)) == "troubled"  # type: ignore[arg-type]
    assert kind_of(SagaRecord("f", "k")) is None
    assert kind_of(SagaRecord("f", "k", outcome=Outcome.RETIRED)) is None


def test_a_family_goes_only_if_each_of_it_may() -> None:
    policy = Policy(parse_keep(["completed=0%,3d", "failed=9d"]), HOUR_MS, 6 * DAY_MS)
    limits = {
        Outcome.COMPLETED: HOUR_MS,
        Outcome.FAILED: 9 * DAY_MS,
        Outcome.COMPENSATED: 6 * DAY_MS,
        Outcome.OPEN: None,
    }
    ages = (HOUR_MS // 2, 2 * HOUR_MS, 4 * DAY_MS, 7 * DAY_MS, 10 * DAY_MS)
    for (one, other), (young, old) in product(product(limits, repeat=2), product(ages, repeat=2)):
        family = Family(
            {"a"},
            [
                SagaRecord("f", "a", outcome=one, updated_ms=NOW_MS - young),
                SagaRecord("g", "a", outcome=other, updated_ms=NOW_MS - old),
            ],
        )
        simple = one is other is Outcome.COMPLETED
        due = [
            HOUR_MS if simple else 3 * DAY_MS if outcome is Outcome.COMPLETED else limits[outcome]
            for outcome in (one, other)
        ]
        expected = None not in due and all(age > limit for age, limit in zip((young, old), due, strict=True))  # type: ignore[operator]
        assert policy.may_go(family, NOW_MS, NOW_MS) is expected, (one, other, young, old)
        family.whole = False
        assert not policy.may_go(family, NOW_MS, NOW_MS)


def test_a_larger_share_contains_a_smaller_one() -> None:
    ids = [f"flow-{number}" for number in range(5_000)]
    chosen = [
        {flow for flow in ids if Policy({"completed": Kept(share)}, HOUR_MS, DAY_MS).chosen([flow])}
        for share in (0.0, 0.01, 0.1, 0.5, 1.0)
    ]
    assert all(smaller <= larger for smaller, larger in pairwise(chosen))
    assert [len(found) / len(ids) for found in chosen] == pytest.approx([0, 0.01, 0.1, 0.5, 1.0], abs=0.02)
