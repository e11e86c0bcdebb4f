"""Behind an open quote, or without one: what the tab key makes of a word is the name itself, in interactive shells."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.cli._shells import quoted, read_line
from httpkit import as_json, serving
from waiting import scaled

# Of each, the first two characters are its own.
NAMES = ["ab c'd\"e$(touch hacked)\\t`id`;*,é#~{x}%&|<y>?[z]", "kl:m:n", "lm@n=o:p", "no p", "b-plain"]
QUOTES = {"bash": ["", "'", '"', "$'"], "zsh": ["", "'", '"'], "fish": ["", "'", '"']}
START = {
    "bash": (["--norc", "--noprofile", "-i"], "PS1=; eval \"$(command flowtrail completion bash)\"; flowtrail() { printf '<%s>' \"$@\"; echo '#end'; }"),
    "zsh": (["-f", "-i"], "PS1=; unsetopt PROMPT_SP ZLE_BRACKETED_PASTE 2>/dev/null; autoload -Uz compinit && compinit -u -D; eval \"$(command flowtrail completion zsh)\"; flowtrail() { printf '<%s>' \"$@\"; echo '#end'; }"),
    "fish": (["--no-config", "-i"], "function fish_prompt; end; source (command flowtrail completion fish | psub); function flowtrail; printf '<%s>' $argv; echo '#end'; end"),
}  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(lambda _: as_json({"groups": [{"group": name} for name in NAMES]})) as url:
        yield url


class Session:
    """A shell on a terminal."""

    def __init__(self, shell: str, folder: Path, url: str) -> None:
        flags, script = START[shell]
        environment = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb",
            "FLOWTRAIL_COLLECTOR_URL": url, "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null",
        }  # fmt: skip
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvpe(shell, [shell, *flags], environment)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
        self._said = ""
        self.type(f"{script}; echo rea''dy\r")
        self.until("ready")

    def type(self, text: str) -> None:
        self._said = ""
        os.write(self._terminal, text.encode())

    def until(self, mark: str) -> str:
        ends = time.monotonic() + scaled(30)
        while mark not in self._said:
            assert time.monotonic() < ends, f"no {mark!r} in {self._said!r}"
            if select.select([self._terminal], [], [], 0.2)[0]:
                self._said += os.read(self._terminal, 65536).decode(errors="replace")
        return self._said

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._terminal)
        with contextlib.suppress(OSError):
            os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)


@pytest.mark.slow(60)
@pytest.mark.parametrize("shell", START)
def test_what_the_tab_key_makes_of_it_is_the_name(shell: str, tmp_path: Path, url: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} isn't installed")
    session = Session(shell, tmp_path, url)
    wrong = []
    try:
        for quote in QUOTES[shell]:
            for name in NAMES:
                session.type(f"flowtrail lag --group {quote}{name[:2]}\t\r")
                said = session.until("#end\r\n").rpartition("<lag>")[2].partition("#end")[0]
                if said != f"<--group><{name}>":
                    wrong.append((quote, name, said))
    finally:
        session.close()
    assert wrong == []
    assert list(tmp_path.glob("*hacked*")) == []


NAME = st.text(st.characters(min_codepoint=32, exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20)
BREAKS = " \t\n\"'@><=;|&(:"


@pytest.mark.slow
@given(NAME, st.sampled_from(["", "'", '"', "$'"]))
def test_what_is_quoted_is_read_as_it_was(name: str, quote: str) -> None:
    found = read_line(f"flowtrail lag {quote}{quoted(name, quote)}{quote[-1:]} x")
    assert (found.words, found.word, found.quote) == (["flowtrail", "lag", name], "x", "")
    begun = read_line(f"flowtrail lag {quote}{quoted(name, quote)}", breaks=BREAKS)
    assert (begun.words, begun.word) == (["flowtrail", "lag"], name)


@given(st.text("ab '\"\\$`:=@é\n", max_size=20))
def test_whatever_a_line_is_it_is_read(line: str) -> None:
    found = read_line(line, breaks=BREAKS, kept="@")
    assert 0 <= found.head <= len(found.word)


@pytest.mark.parametrize(
    ("line", "words", "word", "quote", "head"),
    [
        ("lag --group 'ship", ["lag", "--group"], "ship", "'", 0),
        ('lag "a\\$b', ["lag"], "a$b", '"', 0),
        ('lag "a\\b', ["lag"], "a\\b", '"', 0),
        ("lag a\\ b:c", ["lag"], "a b:c", "", 4),
        ("lag a\\:c", ["lag"], "a:c", "", 0),
        ("lag 'a:c", ["lag"], "a:c", "'", 0),
        ("lag a'b c", ["lag"], "ab c", "'", 1),
        ("lag --group=a:b", ["lag"], "--group=a:b", "", 10),
        ("lag a@b", ["lag"], "a@b", "", 1),
        ("lag ", ["lag"], "", "", 0),
        ("lag a\\", ["lag"], "a", "", 0),
        ("lag ''", ["lag"], "", "", 0),
        ("lag '' x", ["lag", ""], "x", "", 0),
    ],
)
def test_lines(line: str, words: list[str], word: str, quote: str, head: int) -> None:
    assert read_line(line, breaks=BREAKS, kept="@") == (words, word, quote, head)
