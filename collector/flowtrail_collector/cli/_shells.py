"""How bash and fish are told what completes a word; zsh takes what click says as it is.

Names come from brokers and from events: whatever is in them, a shell gets one word, and never a command.
"""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, FishComplete, add_completion_class, split_arg_string

__all__ = ["add_shells"]

# Bash takes words apart at colons and equals signs, so it tells the whole line; and what goes into the line is quoted.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line=${COMP_LINE:0:COMP_POINT} response completion type value word before=""
    COMPREPLY=()
    response=$(env COMP_WORDS="$line" %(complete_var)s=bash_complete "$1")
    word=${line##*[[:space:]]}
    if [[ $COMP_WORDBREAKS == *:* && $word == *:* ]]; then
        before=${word%%"${word##*:}"}
    fi
    while IFS=, read -r type value; do
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            printf -v value %%q "$value"
            COMPREPLY+=("${value#"$before"}")
        fi
    done <<< "$response"
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
# Fish quotes by itself; names may hold commas.
_FISH = """\
function %(complete_func)s;
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) %(prog_name)s);

    for completion in $response;
        set -l metadata (string split --max 1 "," -- $completion);

        if test $metadata[1] = "dir";
            __fish_complete_directories $metadata[2];
        else if test $metadata[1] = "file";
            __fish_complete_path $metadata[2];
        else if test $metadata[1] = "plain";
            echo $metadata[2];
        end;
    end;
end;

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)";
"""


class _Bash(BashComplete):
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        # A space ends a word, unless it is itself quoted.
        if not words or split_arg_string(line + "x")[1:] == [*words, "x"]:
            return words, ""
        return words[:-1], words[-1]


class _Fish(FishComplete):
    source_template = _FISH


def add_shells() -> None:
    """Let click speak to these shells so."""
    add_completion_class(_Bash)
    add_completion_class(_Fish)
