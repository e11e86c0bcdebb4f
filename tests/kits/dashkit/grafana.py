"""What Grafana makes of a query before it sends it to Prometheus.

Source: `interpolateQueryExpr`, `prometheusSpecialRegexEscape` and `getRateIntervalScopedVariable` of Grafana's
Prometheus data source (packages/grafana-prometheus/src/datasource.ts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ALL = "$__all"

# "$1" is PromQL's, in label_replace: no variable is called a number.
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([A-Za-z_]\w*)")
_LABEL_VALUES = re.compile(r"label_values\((.*),\s*(\w+)\s*\)", re.DOTALL)


def label_values_query(query: str) -> tuple[str, str]:
    """`label_values(selector, label)` as selector and label."""
    found = _LABEL_VALUES.fullmatch(query.strip())
    assert found is not None, f"not a query for label values: {query}"
    return found[1], found[2]


def fill_in(expression: str, values: Mapping[str, str]) -> str:
    """Replace variables; whatever has no value raises."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expression)


def as_regex(chosen: list[str], all_value: str) -> str:
    """The value of a variable of which several values may be chosen."""
    if chosen == [ALL]:
        return all_value
    escaped = [_escape(value) for value in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escape(value: str) -> str:
    return re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", value.replace("\\", "\\\\\\\\"))


def intervals(range_seconds: float, scrape_seconds: float, max_points: int = 1000) -> dict[str, str]:
    """Grafana's own variables for a time range."""
    interval = max(range_seconds / max_points, scrape_seconds)
    rate_interval = max(interval + scrape_seconds, 4 * scrape_seconds)
    return {
        "__interval": _seconds(interval),
        "__rate_interval": _seconds(rate_interval),
        "__range": _seconds(range_seconds),
    }


def _seconds(value: float) -> str:
    return f"{max(1, round(value))}s"
