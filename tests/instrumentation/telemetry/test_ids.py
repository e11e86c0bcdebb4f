"""New ids: valid UUIDv7, never the same twice, in the order of their making."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from uuid import UUID

import pytest

from flowtrail._ids import Uuid7Ids
from waiting import scaled

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


_FORKS = """
import os
from flowtrail._ids import Uuid7Ids

ids = Uuid7Ids()
ids.new_id()
child = os.fork()
text = "".join(ids.new_id() for _ in range(300))
if child:
    os.waitpid(child, 0)
os.write(1, (text + "\\n").encode())
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_ids_of_its_own() -> None:
    """In a process of its own: what other tests have left in this one runs its own handlers after a fork."""
    printed = subprocess.run(
        [sys.executable, "-c", _FORKS], capture_output=True, text=True, check=True, timeout=scaled(60)
    ).stdout.split()
    theirs, mine = ({text[at : at + 36] for at in range(0, len(text), 36)} for text in printed)
    assert len(theirs) == len(mine) == 300
    assert not theirs & mine
    # Not only another millisecond: the random part differs.
    assert not {one[14:] for one in theirs} & {one[14:] for one in mine}
