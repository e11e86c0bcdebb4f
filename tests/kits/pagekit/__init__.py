"""Reads metrics pages strictly: promtool and the OpenMetrics parser both take a page that has a series twice."""

from pagekit._page import MetricsPage, PageError, Series, pages_watched

__all__ = ["MetricsPage", "PageError", "Series", "pages_watched"]
