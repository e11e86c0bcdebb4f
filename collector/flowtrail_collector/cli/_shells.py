"""How bash, zsh and fish are told what completes a word, also behind an open quote.

Names come from brokers and from events: whatever is in them, a shell gets one word, and never a command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
)

__all__ = ["Begun", "add_shells", "quoted", "read_line"]

# Bash tells the whole line, and takes what goes into it as it is: quoted, and only the part that it replaces.
_BASH = """\
%(complete_func)s() {
    local each kept=""
    COMPREPLY=()
    shopt -q hostcomplete && kept=@
    while IFS= read -r each; do
        case $each in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${each#*,}") ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" COMP_KEPT="$kept" \
        %(complete_var)s=bash_complete "$1")
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


# What a backslash takes its meaning from, by the quote that it stands in.
_ESCAPED = {"'": "", '"': '"\\$`', "$'": "'\\"}
_ESCAPED_IN_FISH = {"'": "'\\", '"': '"\\$'}
_PLAIN = re.compile(r"[\w@%+=:,./-]")


class Begun(NamedTuple):
    """A line up to where somebody presses the tab key, as its shell reads it.

    Attributes:
        words: The words that are complete.
        word: The one that isn't, without quotes.
        quote: The quote that is open in it: `'`, `"`, `$'` or none.
        head: How many characters of `word` stay as they are: what the shell replaces begins behind them.
    """

    words: list[str]
    word: str
    quote: str
    head: int


def read_line(line: str, escaped: Mapping[str, str] = _ESCAPED, breaks: str = "", kept: str = "") -> Begun:
    """Read a line that isn't complete; whatever is in it, it never fails.

    Args:
        line: The line.
        escaped: What a backslash escapes, by the quote that is open.
        breaks: Characters behind which bash begins to replace, unless they are quoted.
        kept: Those of them that it replaces, too.
    """
    words, word, quote, head = list[str](), None, "", 0
    chars = iter(range(len(line)))
    for at in chars:
        char, after = line[at], line[at + 1 : at + 2]
        if quote and char == quote[-1]:
            quote, head = "", len(word or "")
        elif char == "\\" and after and (not quote or after in escaped[quote]):
            word = (word or "") + line[next(chars)]
        elif quote:
            word = (word or "") + char
        elif char in "'\"":
            word = word or ""
            quote = char
            if char == "'" and line[at - 1 : at] == "$" and "$'" in escaped:
                word, quote = word.removesuffix("$"), "$'"
            head = len(word)
        elif char.isspace():
            words += [] if word is None else [word]
            word, head = None, 0
        elif char != "\\":
            word = (word or "") + char
            head = len(word) - (char in kept) if char in breaks else head
    return Begun(words, word or "", quote, head)


def quoted(text: str, quote: str) -> str:
    """A text as bash takes it for part of a word, behind this open quote or without one."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == "$'":
        return re.sub(r"(['\\])", r"\\\1", text)
    if quote == '"':
        # An exclamation mark is history's, and a backslash before it would stay.
        return re.sub(r"([\"\\$`])", r"\\\1", text).replace("!", "\"'!'\"")
    return "".join(char if _PLAIN.fullmatch(char) else f"\\{char}" for char in text)


class _Bash(BashComplete):
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        self._begun = read_line(
            os.environ["COMP_WORDS"],
            _ESCAPED,
            os.environ.get("COMP_BREAKS", ""),
            os.environ.get("COMP_KEPT", ""),
        )
        return self._begun.words[1:], self._begun.word

    def format_completion(self, item: CompletionItem[str]) -> str:
        word, begun = self._begun.word, self._begun
        # Of --option=value only the value comes; where bash doesn't break at =, it replaces all of it.
        option = word[: word.index("=") + 1] if word.startswith("-") and "=" in word else ""
        return f"{item.type},{quoted((option + item.value)[begun.head :], begun.quote)}"


class _Zsh(ZshComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        begun = read_line(os.environ["COMP_WORDS"])
        words = [*begun.words, begun.word]
        at = int(os.environ["COMP_CWORD"])
        return words[1:at], words[at] if at < len(words) else ""


class _Fish(FishComplete):
    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        line, token = os.environ["COMP_WORDS"], os.environ["COMP_CWORD"]
        begun = read_line(line, _ESCAPED_IN_FISH)
        return begun.words[1:], read_line(token, _ESCAPED_IN_FISH).word


def add_shells() -> None:
    """Let click speak to these shells so."""
    add_completion_class(_Bash)
    add_completion_class(_Zsh)
    add_completion_class(_Fish)
