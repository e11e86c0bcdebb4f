"""Samples in both databases, taken minute by minute."""

from __future__ import annotations

import pytest

from flowtrail_collector.history.sql import SqlSamples
from trailkit.minutes import Clock, Minutes


@pytest.fixture
def samples(sql_database):
    return SqlSamples(sql_database)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def minutes(samples, clock):
    return Minutes(samples, clock)
