"""New ids: valid UUIDv7, never the same twice, in the order of their making."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

import pytest

from flowtrail._ids import Uuid7Ids

MANY = 70_000  # more than are drawn for at once


def test_ids_are_uuid7_of_this_moment_and_sort() -> None:
    ids = Uuid7Ids()
    before = time.time_ns() // 1_000_000
    made = [ids.new_id() for _ in range(MANY)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == MANY
    first = made[:65_536]
    assert first == sorted(first)
    for text in made[::97]:
        found = UUID(text)
        assert (str(found), found.version, found.variant) == (text, 7, "specified in RFC 4122")
        assert before <= found.int >> 80 <= after


def test_threads_never_get_the_same_id() -> None:
    ids = Uuid7Ids()
    made: list[list[str]] = [[] for _ in range(4)]

    def work(mine: list[str]) -> None:
        mine.extend(ids.new_id() for _ in range(MANY))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*made)) == 4 * MANY


@pytest.mark.slow(9)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_ids_of_its_own() -> None:
    ids = Uuid7Ids()
    ids.new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(ids.new_id() for _ in range(300)).encode())
        os._exit(0)
    os.close(writing)
    mine = {ids.new_id() for _ in range(300)}
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    theirs = {text[at : at + 36] for at in range(0, len(text), 36)}
    assert len(theirs) == len(mine) == 300
    assert not theirs & mine
    # Not only another millisecond: the random part differs.
    assert not {one[14:] for one in theirs} & {one[14:] for one in mine}
