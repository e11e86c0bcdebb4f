"""All dashboards, in the order in which one reads them."""

from __future__ import annotations

from dashboards.source.collector import COLLECTOR
from dashboards.source.dead_letters import DEAD_LETTERS
from dashboards.source.flow import FLOW
from dashboards.source.lag import LAG
from dashboards.source.overview import OVERVIEW
from dashboards.source.services import SERVICES

PAGES = (OVERVIEW, FLOW, LAG, DEAD_LETTERS, SERVICES, COLLECTOR)
