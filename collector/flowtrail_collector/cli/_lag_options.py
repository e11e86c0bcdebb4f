"""The options of `flowtrail collector run` about lag and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flowtrail_collector.settings_lag import LagConfig

__all__ = ["lag_config", "lag_options"]


def lag_options(duration: click.ParamType[float]) -> tuple[Any, ...]:
    """The options.

    Args:
        duration: the type of time spans.
    """
    return (
        _option("--lag-groups", help="Groups looked at (regular expression, found anywhere); default all."),
        _option(
            "--lag-topics",
            help="Topics looked at (regular expression, found anywhere); default all but Kafka's own.",
        ),
        _option(
            "--lag-granularity",
            type=click.Choice(("partition", "topic", "group")),
            default="partition",
            show_default=True,
            help="How fine the exported lag is; topic and group keep big clusters' series few.",
        ),
        _option(
            "--lag-window",
            type=duration,
            default="2m",
            show_default=True,
            help="The span a group's behaviour is judged over.",
        ),
        _option(
            "--lag-read-committed",
            help="Groups that read only committed transactions (regular expression, found anywhere).",
        ),
        _option(
            "--lag-probes",
            type=click.IntRange(min=0),
            default=100,
            show_default=True,
            help="Records looked at per collection to learn when they were written; 0: none is ever read.",
        ),
        _option(
            "--otlp-metrics-endpoint", default="", help="OTLP/HTTP receiver that all metrics are pushed to."
        ),
        _option(
            "--otlp-metrics-interval",
            type=duration,
            default="30s",
            show_default=True,
            help="Pause between two pushes.",
        ),
    )


def lag_config(options: Mapping[str, Any]) -> LagConfig:
    """The section from the options' values."""
    return LagConfig(
        groups=options["lag_groups"],
        topics=options["lag_topics"],
        granularity=options["lag_granularity"],
        window_seconds=options["lag_window"],
        read_committed=options["lag_read_committed"],
        probes=options["lag_probes"],
        otlp_endpoint=options["otlp_metrics_endpoint"],
        otlp_interval_seconds=options["otlp_metrics_interval"],
    )


def _option(name: str, **attributes: Any) -> Any:
    variable = "FLOWTRAIL_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **attributes)
