"""The Grafana dashboards as code: `python -m dashboards.source` writes `dashboards/grafana/*.json`.

Queries are in `queries`, one class per dashboard; the other modules say how they are shown.
"""

from dashboards.source.dashboard import Dashboard, render
from dashboards.source.pages import PAGES

__all__ = ["PAGES", "Dashboard", "render"]
