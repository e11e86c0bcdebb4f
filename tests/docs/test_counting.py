"""Everything that has a name in the code is in the reference, and the reference names nothing else.

The two reference pages are generated; here they are counted against the code by other means: string constants,
routes, click parameters, what a collector really exports. Other pages may only name what the reference has.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from starlette.routing import Route

import flowtrail
import tools.docs.collector as collector_reference
from flowtrail.wire import CORRELATION_ALIASES
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.metrics.otlp import headers_of
from tools.docs import api_examples
from tools.docs import python_api as reference_python
from tools.docs.blocks import ROOT
from tools.docs.collector._api import assembled, endpoints
from tools.docs.collector._commands import commands, options, variables_of
from tools.docs.collector._variables import PREFIXES

pytestmark = pytest.mark.slow

LIBRARY, COLLECTOR = ROOT / "instrumentation" / "flowtrail", ROOT / "collector" / "flowtrail_collector"
REFERENCES = (ROOT / "docs" / "reference.md", ROOT / "docs" / "reference-collector.md")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
VARIABLE = r"(?:FLOWTRAIL|OTEL|KAFKA|RABBITMQ|ORDERFLOW)_[A-Z][A-Z_]*[A-Z]"
METRIC = r"(?:flowtrail|kafka|messaging)_[a-z0-9_]+"
# What a histogram's or counter's samples add to its name.
SAMPLE = r"_(?:total|info|bucket|count|sum|created)$"
# Variables that only OpenTelemetry's SDK reads.
OF_OTHERS = {"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_PROTOCOL"}


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def section(page: Path, title: str) -> str:
    return text_of(page).split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(text: str) -> set[str]:
    """The names in the first column of all tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", text.replace(r"\|", "/"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@cache
def constants(folder: Path, part: str = "") -> list[str]:
    """Every string constant of a package, or of its modules about one `part`, but for docstrings."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        if path.name == "settings.py" or part not in str(path.relative_to(folder)):
            continue
        tree = ast.parse(text_of(path))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        found += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        ]
    return found


def test_the_collectors_page_is_what_the_code_says() -> None:
    page = collector_reference.page()
    assert text_of(REFERENCES[1]) == page, "python -m tools.docs.collector > docs/reference-collector.md"


# --- Python


def test_the_python_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "reference-python.md").read_text(encoding="utf-8")
    assert page == reference_python.page(), "python -m tools.docs.python_api > docs/reference-python.md"


def test_every_public_name_is_in_the_reference_and_says_what_it_is() -> None:
    page = reference_python.page()
    named = set(re.findall(r"^(?:### )?`(\w+)`", page, re.MULTILINE))
    for module_name in reference_python.MODULES:
        module = import_module(module_name)
        for name in reference_python.public_names(module_name):
            assert name in named, f"{module_name}.{name}"
            assert getattr(module, name).__doc__, f"{module_name}.{name}"
    others = {"__version__", "errors"}
    assert set(flowtrail.__all__) - others <= named


# --- metrics


def documented_metrics() -> set[str]:
    return first_column(section(REFERENCES[0], "Metrics")) | first_column(section(REFERENCES[1], "Metrics"))


def test_every_metric_of_the_collectors_code_is_in_the_reference_and_no_other() -> None:
    rests = set(constants(COLLECTOR, "metrics"))
    named = {name for name in rests if re.fullmatch(METRIC, name)}
    with assembled() as collector:
        exported = re.findall(
            r"^# TYPE (\w+)", b"".join(collector.exposition.page().chunks()).decode(), re.MULTILINE
        )
    shown = first_column(section(REFERENCES[1], "Metrics"))
    plain = {re.sub(SAMPLE, "", name) for name in shown}
    beginnings = {name for name in named if any(other.startswith(f"{name.rstrip('_')}_") for other in shown)}
    assert set(exported) <= shown
    assert {re.sub(SAMPLE, "", name) for name in named} - plain - beginnings == set()
    # Names are written out, or put together from a beginning ("flowtrail_dlq_") and the rest.
    whole = {*named, *(re.sub(SAMPLE, "", name) for name in named)}
    assert {name for name in plain if name not in whole and not _put_together(name, rests)} == set()


def _put_together(name: str, parts: set[str]) -> bool:
    rests = ((name.removeprefix(part)) for part in parts if part and name.startswith(part))
    return any(rest in parts or rest.lstrip("_") in parts for rest in rests)


def test_every_metric_of_the_library_is_in_the_reference_and_no_other() -> None:
    dotted = r"(?:flowtrail|messaging)(?:\.[a-z_]+)+"
    # A metric's name is what a definition begins with; attributes have constants of their own.
    created = re.findall(rf'Metric\(\s*"({dotted})"', text_of(LIBRARY / "_telemetry" / "definitions.py"))
    rows = re.findall(rf"^\| `(\w+)` \| `({dotted})` \|", section(REFERENCES[0], "Metrics"), re.MULTILINE)
    assert [name for _, name in rows] == created
    assert len(created) == 16 == text_of(LIBRARY / "_telemetry" / "definitions.py").count("Metric(\n")


# --- headers


def test_every_header_is_in_the_reference_and_no_other() -> None:
    written = r"(ce_[a-z]+|dlq\.[a-z_.]+|retry\.[a-z]+|traceparent|tracestate|baggage|content-type)"
    named = {name for name in constants(LIBRARY) if re.fullmatch(written, name)}
    shown = first_column(section(REFERENCES[0], "Headers"))
    assert shown == named - {"ce_"}
    assert all(f"`{alias}`" in section(REFERENCES[0], "Headers") for alias in CORRELATION_ALIASES)


def test_the_wire_format_names_every_header() -> None:
    page = text_of(ROOT / "docs" / "wire.md")
    inner = {name for name in first_column(section(REFERENCES[0], "Headers")) if name.startswith("retry.")}
    assert {f"`{name}`" for name in first_column(section(REFERENCES[0], "Headers")) - inner} <= set(
        re.findall(r"`[\w.-]+`", page)
    )


# --- variables


def documented_variables() -> set[str]:
    return first_column(section(REFERENCES[0], "Environment")) | first_column(
        section(REFERENCES[1], "Environment")
    )


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "page"), [(LIBRARY, 0), (COLLECTOR, 1)], ids=("library", "collector"))
def test_every_variable_is_in_the_reference_and_no_other(folder: Path, page: int) -> None:
    # Within longer texts as well: messages that name a variable.
    read = {name for text in constants(folder) for name in re.findall(VARIABLE, text)}
    internal = {"OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"}  # only turns a shortcut off
    beginnings = {"FLOWTRAIL_KAFKA", "OTEL_EXPORTER_OTLP"}
    built = {name for name in _asked_for() if name not in read} if page else set()
    named = {name for name in read if not name.startswith(tuple(PREFIXES))} - internal - beginnings
    shown = first_column(section(REFERENCES[page], "Environment"))
    assert named | built <= shown
    clicked = {name for pair in commands() for option in options(*pair) for name in variables_of(option)}
    assert shown - named <= OF_OTHERS | built | clicked


def _asked_for() -> set[str]:
    """Variables whose names are put together, seen when they are looked up."""

    class Spy(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    asked: set[str] = set()
    read_connection("localhost:9092", environ=Spy())
    headers_of(Spy())
    headers_of(Spy(), "TRACES")
    return asked


# --- commands and flags


_HELP = {"-h", "--help"}


def test_every_command_and_flag_is_in_the_reference_and_no_other() -> None:
    """The tree is walked with click's own means; `--version` of the root is among them."""
    text = section(REFERENCES[1], "Commands")
    headings = re.findall(r"^### `(.+)`$", text, re.MULTILINE)
    paths = {context.command_path: (context, command) for context, command in commands()}
    assert headings == list(paths)
    for part in text.split("\n### ")[1:]:
        path = part.split("`")[1]
        context, command = paths[path]
        shown = {name.split(" ")[0] for name in first_column(part)}
        like = re.search(r"^Takes the options of `(.+?)`, but for (.+)\.$", part, re.MULTILINE)
        if like:
            base = {name for option in options(*paths[like[1]]) for name in option.opts}
            shown = base - set(re.findall(r"`(\S+)`", like[2]))
        options_ = [item for item in command.get_params(context) if isinstance(item, click.Option)]
        names = {name for option in options_ for name in (*option.opts, *option.secondary_opts)}
        # click keeps the names of help that a command was first asked with, `-h` or not.
        assert shown - _HELP == names - _HELP, path


def test_every_flag_says_what_it_does() -> None:
    silent = [
        f"{context.command_path} {option.opts[0]}"
        for context, command in commands()
        for option in options(context, command)
        if not option.help
    ]
    assert silent == []


def test_every_flag_that_stands_in_the_code_belongs_to_a_command() -> None:
    known = {name for pair in commands() for option in options(*pair) for name in option.opts} | {"--help"}
    named = {name for name in constants(COLLECTOR / "cli") if re.fullmatch(r"--[a-z][a-z-]+", name)}
    assert named <= known


# --- HTTP


def documented_requests() -> set[str]:
    return first_column(section(REFERENCES[1], "HTTP"))


def test_every_path_is_in_the_reference_and_no_other() -> None:
    with assembled() as collector:
        assert all(isinstance(route, Route) for route in collector.routes)
        walked = {
            f"{method} {re.sub(r':path}', '}', route.path)}"
            for route in collector.routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        }
    assert documented_requests() == walked


def test_every_path_says_what_it_answers_and_takes() -> None:
    with assembled() as collector:
        found = endpoints(collector.routes)
    assert [item.path for item in found if not item.meaning] == []
    said = {name for item in found for name in (*item.query, *item.body)}
    read = set()
    for path in COLLECTOR.rglob("*.py"):
        text = text_of(path)
        if "metrics" in str(path.relative_to(COLLECTOR)):
            continue
        read |= set(re.findall(r'(?:text|int|bool)_param\(\s*request, "(\w+)"', text))
        read |= set(re.findall(r'query_params\.get(?:list)?\("(\w+)"', text))
        read |= set(re.findall(r'(?:_text|_whole|_number|_moment_ms|flag_of)\(values, "(\w+)"\)', text))
        read |= set(re.findall(r'\b(?:values|typed)\.get\("(\w+)"', text))
        read |= set(re.findall(r'(?:_duration|_place|key_of)\(request, "(\w+)"\)', text))
    assert said == read


def test_the_examples_are_what_the_collector_answers() -> None:
    page = text_of(ROOT / "docs" / "api.md")
    assert page == api_examples.page(), "python -m tools.docs.api_examples > docs/api.md"


# --- other pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_only_what_there_is(page: Path) -> None:
    text = text_of(page)
    assert set(re.findall(rf"\b{VARIABLE}\b", text)) - _known_variables() == set()
    metrics = {re.sub(SAMPLE, "", name) for name in documented_metrics()}
    named = set(re.findall(rf"`({METRIC})[`{{]", text)) - _NO_METRICS
    assert {name for name in named if re.sub(SAMPLE, "", name) not in metrics} == set()
    headers = first_column(section(REFERENCES[0], "Headers"))
    assert set(re.findall(r"`(ce_[a-z]+|dlq\.[a-z_.]+[a-z]|retry\.[a-z]+)`", text)) <= headers
    paths = {_shape(request.split(" ")[1]) for request in documented_requests()}
    asked = {_shape(path) for path in re.findall(r"(?<![\w.])(/api/v1/[\w/{}-]+)", text)}
    assert asked <= paths


# Tables of outbox, inbox and dedupe; a module; a project of somebody else; labels.
_NO_METRICS = {
    "flowtrail_outbox", "flowtrail_inbox", "flowtrail_dedupe", "flowtrail_collector", "kafka_exporter",
    "messaging_system", "messaging_operation_name", "messaging_destination_name", "messaging_consumer_group_name",
}  # fmt: skip


@cache
def _known_variables() -> set[str]:
    known = documented_variables() | OF_OTHERS
    for folder in (ROOT / "demo", ROOT / "tests", ROOT / "bench"):
        for path in folder.rglob("*.py"):
            known |= set(re.findall(rf"\"({VARIABLE})\"", text_of(path)))
    return known


def _shape(path: str) -> str:
    """A path with what is filled in left out: `{id}` in the reference, `ID` elsewhere."""
    return re.sub(r"\{[^}]*\}|\b[A-Z]{2,}(?:-\d+)?\b|\b[0-9a-f]{8}\b", "*", path).rstrip("/")
