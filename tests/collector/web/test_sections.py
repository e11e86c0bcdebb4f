"""Where people are: each page marks the section that it belongs to."""

from __future__ import annotations

import re

import pytest

from consolekit import BROWSER, Lag, client_of
from flowtrail_collector.console._sections import SECTIONS, section_of
from trailkit.fakes import FakeReads

PAGES = {
    **{path: path for path in SECTIONS},
    "/sagas?outcome=failed": "/sagas",
    "/map?flow=fulfilment": "/map",
    "/map/edge?topic=billing&target=billing": "/map",
    "/map/topic?name=billing": "/map",
    "/lag?group=": "/lag",
    "/lag?group=billing": "/lag",
    "/dead-letters?state=pending": "/dead-letters",
}
_MARKED = re.compile(r'<a href="([^"?]+)" aria-current="(page|true)">')


@pytest.mark.parametrize(("path", "section"), PAGES.items())
def test_a_page_marks_its_section(path, section):
    text = client_of(FakeReads(), Lag(), {}).get(path, headers=BROWSER).text
    how = "page" if path.partition("?")[0] == section else "true"
    assert _MARKED.findall(text) == [(section, how)]


@pytest.mark.parametrize(
    ("path", "section"),
    {
        "/dead-letters/orders.dlq/0/1": "/dead-letters",
        "/dead-letters/orders.dlq/0/1/payload": "/dead-letters",
        "/dead-letters/redrive": "/dead-letters",
        "/redrives": "/dead-letters",
        "/redrives/r1": "/dead-letters",
        "/trails/o1": None,
        "/search": None,
        "/auth/login": None,
        "/mapped": None,
        "/lagging/map": None,
    }.items(),
)
def test_what_is_below_a_section_belongs_to_it(path, section):
    assert section_of(path) == section
