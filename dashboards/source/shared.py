"""Variables, links and scales that several dashboards share."""

from __future__ import annotations

from dashboards.source.dashboard import KEPT, link, query_variable, text_variable
from dashboards.source.parts import (
    DARK_RED,
    GREEN,
    ORANGE,
    RED,
    TEXT,
    YELLOW,
    Json,
    colored,
    data_link,
    steps,
    values,
)

FLOW_VARIABLE = query_variable("flow", "Flow", "label_values(flowtrail_saga_started_total, flow)")
GROUP_VARIABLE = query_variable("group", "Group", "label_values(flowtrail_group_members, group)")
TOPIC_VARIABLE = query_variable(
    "topic", "Topic", "label_values(kafka_consumergroup_group_topic_sum_lag, topic)"
)
CONSOLE_VARIABLE = text_variable(
    "console",
    "Console",
    "http://localhost:8090",
    "Address of a collector, for links into its console",
)
JAEGER_VARIABLE = text_variable(
    "jaeger", "Jaeger", "http://localhost:16686", "Address of Jaeger's user interface, for links to it"
)
ORDER_VARIABLE = text_variable(
    "order",
    "Order or trace",
    "",
    "Id of an order, event, flow or trace; the link beside opens its trail",
)

TRAIL_LINK = link("Trail", "${console}/search?q=${order:percentencode}", "Where one order went, step by step")
CONSOLE_LINK = link("Console", "${console}", "The collector's own pages")
JAEGER_LINK = link("Jaeger", "${jaeger}/search", "Traces")

_SAME_COLLECTOR = "${job:queryparam}&${instance:queryparam}"


def to_dashboard(title: str, uid: str, variable: str, value: str, *, from_services: bool = False) -> Json:
    """A link to another dashboard of the collector: one variable set, the time range and the others' kept.

    Services are other jobs than the collector, so from there job and instance aren't.
    """
    kept = KEPT if from_services else f"{KEPT}&{_SAME_COLLECTOR}"
    return data_link(title, f"/d/{uid}?var-{variable}={value}&{kept}&${{__url_time_range}}")


def to_page(title: str, uid: str) -> Json:
    """A link to another dashboard of the collector, with everything kept."""
    return data_link(title, f"/d/{uid}?{KEPT}&{_SAME_COLLECTOR}&${{__url_time_range}}")


def to_console(title: str, path: str) -> Json:
    """A link into the collector's console."""
    return data_link(title, f"${{console}}{path}", new_tab=True)


FLOW_LABEL = "${__field.labels.flow:percentencode}"
GROUP_LABEL = "${__field.labels.group:percentencode}"

# Below 0 is what there is no figure for: nothing ended, and that is no fault.
RATIO = steps((0, RED), (0.95, YELLOW), (0.99, GREEN), base=TEXT)
BEHIND = steps((30, YELLOW), (120, RED))
OUTCOMES = [
    colored("completed", GREEN),
    colored("compensated", ORANGE),
    colored("failed", RED),
    colored("timed_out", DARK_RED),
]
LAG_SECONDS = steps((30, YELLOW), (300, RED))
TROUBLE = steps((1, ORANGE), (5, RED))
ANSWERS = values((0, "away", RED))
STATUS_COLORS = steps((1, YELLOW), (2, ORANGE), (3, RED))
STATUS_WORDS = values(
    (0, "ok", GREEN),
    (1, "rewound", YELLOW),
    (2, "behind", ORANGE),
    (3, "stalled", RED),
    (4, "stopped", RED),
    (5, "losing", "dark-red"),
    (6, "beyond", "dark-red"),
    (7, "uncommitted", RED),
)
