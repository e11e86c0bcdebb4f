"""The reference page of the library's Python interface, made of signatures and docstrings.

python -m tools.docs.python_api > docs/reference-python.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

__all__ = ["MODULES", "page", "public_names"]

# What is meant to be imported; adapters for clients are named by `Trail(client=...)` instead.
MODULES = {
    "flowtrail": "What a service needs.",
    "flowtrail.errors": "",
    "flowtrail.dedupe": "Remembering what was handled already.",
    "flowtrail.contracts": "Schemas of events; needs the extra `contracts`. See [contracts](contracts.md).",
    "flowtrail.integrations.asgi": "HTTP applications; see [FastAPI, Starlette, Django](integrations/http.md).",
    "flowtrail.integrations.faststream": "See [FastStream](integrations/faststream.md).",
    "flowtrail.integrations.celery": "See [Celery](integrations/celery.md).",
    "flowtrail.testing": "For tests of your handlers; see [how to](how-to.md#test-a-handler).",
}
_SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")
_INTRODUCTION = """# Reference of the Python interface

Made by `python -m tools.docs.python_api` of signatures and docstrings. What isn't here isn't public, and may \
change at any time. How things are used together is in [the library](library.md).
"""
# A default longer than this says less than its docstring.
_MAX_DEFAULT = 40


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_INTRODUCTION, *(_module(name, about) for name, about in MODULES.items())])


def public_names(module_name: str) -> list[str]:
    """What a module offers, in its own order: classes and functions, without what another one has already."""
    module = import_module(module_name)
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module_name
    ]
    found = []
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            found.append(name)
    return found


def _module(name: str, about: str) -> str:
    module = import_module(name)
    shown = [f"## `{name}`\n", about or f"```text\n{inspect.getdoc(module)}\n```"]
    # Each thing is explained where it is at home; a second name only leads there.
    for public in public_names(name):
        value = getattr(module, public)
        elsewhere = next((other for other in MODULES if other != name and value in _values(other)), None)
        if elsewhere is not None and list(MODULES).index(elsewhere) < list(MODULES).index(name):
            shown.append(f"\n`{public}` is `{elsewhere}.{public}`.")
        elif inspect.isclass(value):
            shown.append("\n" + _class(value))
        else:
            shown.append(f"\n### `{public}`\n\n{_signature(value)}\n\n{_described(value)}")
    return "\n".join(shown) + "\n"


def _values(module_name: str) -> list[Any]:
    module = import_module(module_name)
    return [getattr(module, name) for name in public_names(module_name)]


def _class(kind: type) -> str:
    bases = [
        base.__name__ for base in kind.__bases__ if base is not object and base.__name__ not in _PLUMBING
    ]
    head = f"### `{kind.__name__}`\n\n"
    if bases:
        head += f"A {' and a '.join(f'`{base}`' for base in bases)}.\n\n"
    is_protocol = getattr(kind, "_is_protocol", False)
    if not issubclass(kind, BaseException) and "__init__" in vars(kind) and not is_protocol:
        head += f"{_signature(kind)}\n\n"
    parts = [head + _described(kind)]
    for name, member in vars(kind).items():
        if name.startswith("_") or not (function := _function(member)) or not inspect.getdoc(function):
            continue
        if isinstance(member, property):
            parts.append(f"#### `{kind.__name__}.{name}`\n\nProperty. {_described(function)}")
        else:
            signature = _signature(getattr(kind, name), f"{kind.__name__}.{name}")
            parts.append(f"#### `{kind.__name__}.{name}`\n\n{signature}\n\n{_described(function)}")
    return "\n\n".join(parts)


_PLUMBING = ("Generic", "Protocol", "NamedTuple", "tuple", "Enum")


def _function(member: Any) -> Any:
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    if isinstance(member, property):
        return member.fget
    return member if inspect.isfunction(member) else None


def _signature(value: Any, name: str = "") -> str:
    signature = inspect.signature(value)
    texts: list[str] = []
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if (
            parameter.kind is parameter.KEYWORD_ONLY
            and "*" not in texts
            and parameter.VAR_POSITIONAL not in kinds
        ):
            texts.append("*")
        texts.append(_parameter(parameter))
    kind = signature.return_annotation
    returned = "" if kind in (signature.empty, "None", None) else f" -> {_annotation(kind)}"
    name = name or value.__name__
    line = f"{name}({', '.join(texts)}){returned}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {text},\n" for text in texts) + f"){returned}"
    return f"```python\n{line}\n```"


def _annotation(kind: object) -> str:
    return kind if isinstance(kind, str) else str(inspect.formatannotation(kind))


def _parameter(parameter: inspect.Parameter) -> str:
    text = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        text = f"*{text}"
    elif parameter.kind is parameter.VAR_KEYWORD:
        text = f"**{text}"
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        value = re.sub(r"<(?:\w+\.)*(\w+) object at 0x\w+>", r"\1()", repr(parameter.default))
        value = re.sub(r"<function (\w+)[^>]*>|<class '(?:\w+\.)*(\w+)'>", r"\1\2", value)
        text += f" = {value if len(value) <= _MAX_DEFAULT else '...'}"
    return text


def _described(value: object) -> str:
    return "\n\n".join(_blocks(inspect.getdoc(value) or ""))


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs as they are; sections of Google style as lists."""
    for block in re.split(r"\n\s*\n", text.strip()):
        title, _, rest = block.partition("\n")
        if title.rstrip(":") in _SECTIONS and title.endswith(":"):
            yield f"**{title.rstrip(':')}**\n\n{_items(rest, named=title not in ('Returns:', 'Yields:'))}"
        elif block.startswith((" ", "- ")):
            yield block
        else:
            yield " ".join(block.split())


def _items(text: str, *, named: bool) -> str:
    text = inspect.cleandoc(text)
    if not named:
        return " ".join(text.split())
    items: list[str] = []
    for line in text.splitlines():
        match = re.match(r"([\w.*, ]+): (.*)", line)
        if match and not line.startswith(" "):
            items.append(f"- `{match[1]}`: {match[2]}")
        elif items:
            items[-1] += " " + line.strip()
        else:
            items.append(line.strip())
    return "\n".join(items)


if __name__ == "__main__":
    sys.stdout.write(page())
