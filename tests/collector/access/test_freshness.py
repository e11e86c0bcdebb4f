"""How often a provider is asked, whatever comes in, and what is used while it can't be."""

from __future__ import annotations

import asyncio

import pytest

from flowtrail_collector.web.access.freshness import Freshness
from flowtrail_collector.web.access.ports import ProviderUnreachableError


class Source:
    """What is fetched: the number of the fetch; with a clock."""

    def __init__(self):
        self.now, self.fetched, self.down, self.hold = 0.0, 0, False, None
        self.errors = []
        self.known = Freshness(
            self.fetch, on_error=lambda part, error: self.errors.append(part), now=lambda: self.now
        )

    async def fetch(self):
        self.fetched += 1
        number = self.fetched
        if self.hold is not None:
            await self.hold.wait()
        if self.down:
            raise ProviderUnreachableError("away")
        return number


def run(story):
    asyncio.run(story(Source()))


def test_asked_once_for_many():
    async def story(source):
        source.hold = asyncio.Event()
        asking = [asyncio.create_task(source.known.get()) for _ in range(50)]
        await asyncio.sleep(0)
        source.hold.set()
        assert await asyncio.gather(*asking) == [1] * 50
        assert source.fetched == 1

    run(story)


def test_whoever_hangs_up_takes_nothing_from_the_others():
    async def story(source):
        source.hold = asyncio.Event()
        first, second = (asyncio.create_task(source.known.get()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        source.hold.set()
        assert await second == 1

    run(story)


def test_what_is_lacking_is_asked_for_once_in_a_while():
    async def story(source):
        assert await source.known.get() == 1
        for _ in range(1000):
            assert await source.known.get(lambda number: False) == 1
        assert source.fetched == 1
        source.now = 31.0
        for _ in range(1000):
            assert await source.known.get(lambda number: False) == 2
        assert source.fetched == 2
        # What is there by now needs no fetch.
        source.now = 100.0
        assert await source.known.get(lambda number: number == 2) == 2
        assert source.fetched == 2

    run(story)


def test_what_is_old_is_used_while_a_new_one_is_fetched():
    async def story(source):
        await source.known.get()
        source.now = 3700.0
        source.hold = asyncio.Event()
        assert await source.known.get() == 1
        source.hold.set()
        await source.known._task
        assert await source.known.get() == 2

    run(story)


def test_away_for_a_day(caplog):
    async def story(source):
        await source.known.get()
        source.down = True
        for hour in range(1, 24):
            source.now = hour * 3600.0
            assert await source.known.get(lambda number: False) == 1
        source.now = 25 * 3600.0
        with pytest.raises(ProviderUnreachableError, match="away"):
            await source.known.get()
        before = source.fetched
        for _ in range(100):
            with pytest.raises(ProviderUnreachableError, match="away"):
                await source.known.get()
        assert source.fetched == before
        source.down = False
        source.now += 6.0
        assert await source.known.get() == source.fetched
        assert set(source.errors) == {"oidc"}

    run(story)
    said = [line for line in caplog.messages if "OIDC provider" in line]
    assert len(said) == 2
    assert "doesn't answer" in said[0]
    assert "answers again" in said[1]
