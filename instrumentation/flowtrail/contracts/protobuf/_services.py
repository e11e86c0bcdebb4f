"""Services of a .proto file. No contract is about one, but a file whose service is wrong can't be used elsewhere."""

from __future__ import annotations

from typing import Any

from flowtrail.contracts.protobuf._lexing import Words
from flowtrail.contracts.protobuf._options import Options


def service(words: Words, options: Options, made: Any, package: str) -> dict[str, int]:
    """Read what follows the word `service` into its descriptor.

    Returns:
        The names of messages in it, with the line of their first use.
    """
    made.name = words.name_of("the service's name")
    full = f"{package}.{made.name}" if package else made.name
    used: dict[str, int] = {}
    words.expect("{")
    while not words.follows("}"):
        if words.follows(";") or options.statement(made, full):
            continue
        if not words.follows("rpc"):
            words.wrong(f"a service holds rpc and option, not {words.next.text[:40]!r}")
        _method(words, options, made.method.add(), full, used)
    return used


def _method(words: Words, options: Options, made: Any, within: str, used: dict[str, int]) -> None:
    made.name = words.name_of("the method's name")
    made.client_streaming, made.input_type = _message(words, used)
    words.expect("returns")
    made.server_streaming, made.output_type = _message(words, used)
    if words.follows("{"):
        while not words.follows("}"):
            if not (words.follows(";") or options.statement(made, f"{within}.{made.name}")):
                words.wrong(f"an rpc holds options, not {words.next.text[:40]!r}")
    else:
        words.expect(";")


def _message(words: Words, used: dict[str, int]) -> tuple[bool, str]:
    """Whether there are many of a message, and its name."""
    words.expect("(")
    at = words.next
    streaming = words.follows("stream") and words.next.text != ")"
    name = at.text if at.text == "stream" and not streaming else words.full_name("a message")
    used.setdefault(name, at.line)
    words.expect(")")
    return streaming, name
