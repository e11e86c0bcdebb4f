"""Templates: everything is escaped unless it is ours."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from flowtrail import __version__
from flowtrail_collector.broker_names import broker_of, without_broker
from flowtrail_collector.conditions import condition_words
from flowtrail_collector.console._sections import SECTIONS, section_of
from flowtrail_collector.console._trail_axis import breaks, ticks
from flowtrail_collector.console._trail_rows import (
    AXIS_UNITS,
    entry_rows,
    missing_rows,
    service_column,
    symbols_of,
)
from flowtrail_collector.lag.outages import trouble_lines
from flowtrail_collector.lag.words import catch_up_words
from flowtrail_collector.oncall.words import (
    checked_words,
    ended_words,
    lasting_words,
    since_words,
    starting_words,
    touched_words,
    watched_words,
)
from flowtrail_collector.sagas.words import (
    cause_words,
    expected_words,
    forecast_words,
    past_words,
    risk_words,
    state_words,
)
from flowtrail_collector.trails.drawing import rows_of, trail_scale
from flowtrail_collector.web.prefix import prefix
from flowtrail_collector.wording import age, clock, counted, format_seconds, left_out, marked, printable

STATIC_FILES = {
    "console.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "live.js": "text/javascript; charset=utf-8",
    "search.js": "text/javascript; charset=utf-8",
    "map.css": "text/css; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
}


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("flowtrail_collector.console"),
        # Not by file name: whatever is added later is escaped too.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        # Else each use of each template asks the file system, and gives up the interpreter's lock for it.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = lambda value: "" if value is None else format_seconds(value)
    environment.filters["age"] = age
    environment.filters["breakable"] = _breakable
    environment.filters["counted"] = counted
    environment.filters["left_out"] = left_out
    environment.filters["asis"] = lambda text: Markup(escape(text))  # noqa: S704 - escaped
    environment.filters["marked"] = lambda text: Markup(escape(marked(text)))  # noqa: S704 - escaped
    environment.filters["clock"] = lambda value: clock(value) if value else ""
    environment.globals["version"] = __version__
    environment.globals["root"] = prefix
    environment.globals["sections"] = SECTIONS
    environment.globals["section_of"] = section_of
    for words in (
        broker_of, without_broker,
        catch_up_words, cause_words, condition_words, expected_words, forecast_words, past_words, risk_words, state_words,
        checked_words, ended_words, lasting_words, since_words, starting_words, touched_words, trouble_lines, watched_words,
    ):  # fmt: skip
        environment.globals[words.__name__] = words
    return environment


def load_templates() -> None:
    """Compile all templates, so that nobody's first page waits for it."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def render(template: str, **values: Any) -> str:
    """One page as HTML."""
    return _environment().get_template(template).render(**values)


def trail_values(trail: dict[str, Any], first: int = 0, most: int | None = None) -> dict[str, Any]:
    """What the trail templates draw.

    Args:
        trail: As the API answers it.
        first: The first row drawn, counted from 0.
        most: How many are drawn; None draws all.
    """
    scale, rows = trail_scale(trail), rows_of(trail)
    drawn = rows[first:] if most is None else rows[first : first + most]
    entries, missing = entry_rows(trail, drawn, first), missing_rows(trail)
    return {
        "trail": trail,
        "rows": entries,
        "service_column": service_column(entries, missing),
        "symbols": symbols_of(trail, drawn),
        "all_rows": len(rows),
        "first_row": first,
        "missing_rows": missing,
        "ticks": ticks(scale),
        "breaks": breaks(scale),
        "axis_units": AXIS_UNITS,
    }


def trail_document(trail: dict[str, Any], wanted: str) -> str:
    """A trail as one self-contained HTML document, to attach to a ticket.

    Args:
        trail: As the API answers it.
        wanted: The id it was asked for by.
    """
    return render("document.html", wanted=wanted, css=static_text("console.css"), **trail_values(trail))


@cache
def static_text(name: str) -> str:
    """A static file's content; `name` is one of `STATIC_FILES`."""
    return (files("flowtrail_collector.console") / "static" / name).read_text(encoding="utf-8")


def _breakable(name: str) -> Markup:
    """A name with dots (of a class, say), which a line may end behind rather than inside of a word."""
    return Markup(".<wbr>").join(escape(printable(part)) for part in name.split("."))


def _visible(value: Any) -> Any:
    """Control characters from outside become visible; what the templates themselves mark as HTML stays."""
    return printable(value, keep="\n\t") if type(value) is str else value
