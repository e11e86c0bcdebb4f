"""The console: server-rendered pages, no script needed, nothing loaded from elsewhere."""

from __future__ import annotations

from flowtrail_collector.console._console import Console
from flowtrail_collector.console._dead_letter_list import DeadLetterList
from flowtrail_collector.console._dead_letters import DeadLetterPages
from flowtrail_collector.console._forms import FormPages
from flowtrail_collector.console._groups import GroupPages
from flowtrail_collector.console._links import Links
from flowtrail_collector.console._map_pages import MapPages
from flowtrail_collector.console._mending import MendingPages
from flowtrail_collector.console._pages import error_page, not_sent_form
from flowtrail_collector.console._render import trail_document
from flowtrail_collector.console._trouble import TroublePages

__all__ = [
    "Console",
    "DeadLetterList",
    "DeadLetterPages",
    "FormPages",
    "GroupPages",
    "Links",
    "MapPages",
    "MendingPages",
    "TroublePages",
    "error_page",
    "not_sent_form",
    "trail_document",
]
