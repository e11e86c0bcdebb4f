"""What an edit changes, told in lines."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.mending.difference import MAX_DIFF_CHARACTERS, Changed, difference

lines = st.lists(st.sampled_from(["a", "b", "c", "{", "}"]), max_size=12)


@given(lines, lines)
def test_what_went_and_what_came_is_all_that_differs(before, after):
    told = difference([Changed("value", "\n".join(before), "\n".join(after))])
    if before == after or "\n".join(before) == "\n".join(after):
        assert told == ""
        return
    name, *rest = told.split("\n")
    assert name == "value"
    old, new = "\n".join(before).split("\n"), "\n".join(after).split("\n")
    for sign, own, other in (("-", old, new), ("+", new, old)):
        marked = [line[1:] for line in rest if line[:1] == sign]
        for line in set(own):
            assert marked.count(line) >= own.count(line) - other.count(line)
            assert marked.count(line) <= own.count(line)


def test_parts_that_are_alike_arent_told():
    parts = [Changed("key", "a", "a"), Changed("header x", None, "1"), Changed("header y", "2", None)]
    assert difference(parts) == "header x\n-(none)\n+1\nheader y\n-2\n+(none)"


def test_long_ones_are_cut_and_take_no_longer():
    before, after = ("\n".join(f"{n} {word}" for n in range(60_000)) for word in ("old", "new"))
    began = time.process_time()
    told = difference([Changed("value", before, after)])
    assert time.process_time() - began < 5
    assert told.endswith("(cut)")
    assert len(told) < MAX_DIFF_CHARACTERS + 100
