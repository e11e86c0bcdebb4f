"""Help at any width, and what a shell completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs.collector._commands import commands

pytestmark = pytest.mark.slow(0.3)

COMMANDS = {context.command_path: (context, command) for context, command in commands()}


def help_of(name: str, width: int) -> str:
    context, command = COMMANDS[name]
    return command.get_help(
        command.context_class(
            command, context.parent, context.info_name, terminal_width=width, max_content_width=width
        )
    )


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_breaks_no_word_and_cuts_no_sentence(name, width):
    assert help_of(name, width).split() == help_of(name, 10_000).split()
    too_long = [line for line in help_of(name, width).splitlines() if len(line) > width]
    assert [line for line in too_long if len(line.split()) > 2] == []


BASH = """
eval "$(flowtrail completion bash)"
COMP_LINE='flowtrail {words}'; COMP_POINT=${{#COMP_LINE}}
_flowtrail_completion flowtrail 2>&1
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ :; }}
eval "$(flowtrail completion zsh)"
_describe() {{ print -l -- "${{(@P)3}}"; }}
compadd() {{ shift $(( ${{@[(i)-a]}} )); print -l -- "${{(@P)1}}"; }}
words=(flowtrail {words}); CURRENT={place}
_flowtrail_completion flowtrail
"""
FISH = """
source (flowtrail completion fish | psub)
complete -C "flowtrail {words}"
"""


def completed(shell: str, words: str) -> list[str]:
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(
        words=words, place=len(words.split(" ")) + 1
    )
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        [shell, *flags, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    return [word.split("\t")[0].split(":")[0] for word in result.stdout.split("\n") if word]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sa", {"sagas"}),
        ("dlq re", {"redrive"}),
        ("sagas --outcome tim", {"timed_out"}),
        ("top --int", {"--interval"}),
    ],
)
def test_shells_complete_commands_options_and_values(shell, words, expected):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} isn't installed")
    assert set(completed(shell, words)) == expected
