"""Two collectors never share a SQLite file, and a file that is free or was left behind by a kill is taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from flowtrail_collector.errors import StoreError
from flowtrail_collector.store.open import open_store

HOLD = "import sys; from pathlib import Path; from flowtrail_collector.store.open import open_store; \
s = open_store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path, end):
    path = tmp_path / "store.sqlite"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(
            StoreError, match="in use by another collector: stop that one, name another file"
        ) as refused:
            open_store(path)
        assert "\n" not in str(refused.value)
    finally:
        os.kill(first.pid, end)
        first.communicate()
    open_store(path).database.close()


def test_closed_it_can_be_opened_again_here_too(tmp_path):
    for _ in range(3):
        opened = open_store(tmp_path / "store.sqlite")
        with pytest.raises(StoreError, match="in use"):
            open_store(tmp_path / "store.sqlite")
        opened.database.close()


@pytest.mark.parametrize(
    "content", [b"x" * 5_000, b"SQLite format 3\0" + b"\xff" * 5_000, b"{}" * 600], ids=len
)
def test_what_is_no_store_is_one_line_and_stays_free(tmp_path, content):
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"store\.sqlite: .*: put a backup .* --store") as refused:
            open_store(path)
        assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


def test_damage_that_is_met_later_is_one_line_with_what_to_do(tmp_path):
    path = tmp_path / "store.sqlite"
    database = open_store(path).database
    with database.transaction() as connection:
        connection.executemany("INSERT INTO topics VALUES (?, 'x' || hex(randomblob(200)))",
                               [(f"t{n}",) for n in range(500)])  # fmt: skip
    database.close()
    whole = bytearray(path.read_bytes())
    whole[8 * 4096 :] = b"\xff" * (len(whole) - 8 * 4096)
    path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"store\.sqlite: .*: put a backup .* --store") as refused:  # noqa: PT012
        database = open_store(path).database
        with database.read() as connection:
            connection.execute("SELECT count(*), max(id) FROM topics").fetchall()
    assert "\n" not in str(refused.value)
    database.close()
