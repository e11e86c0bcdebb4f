"""Is every flow healthy?"""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard
from dashboards.source.graph import node_graph
from dashboards.source.panels import lines, stat
from dashboards.source.parts import (
    ANY_IS_BAD,
    EVENTS,
    FLOWS,
    GREEN,
    NEUTRAL,
    OBJECTIVE,
    RED,
    YELLOW,
    Query,
    Row,
    or_none,
    steps,
)
from dashboards.source.queries import Overview as Q
from dashboards.source.selecting import NOTHING
from dashboards.source.shared import (
    ANSWERS,
    BEHIND,
    CONSOLE_LINK,
    CONSOLE_VARIABLE,
    FLOW_LABEL,
    FLOW_VARIABLE,
    GROUP_LABEL,
    JAEGER_LINK,
    JAEGER_VARIABLE,
    LAG_SECONDS,
    ORDER_VARIABLE,
    OUTCOMES,
    RATIO,
    TRAIL_LINK,
    TROUBLE,
    to_console,
    to_dashboard,
    to_page,
)
from dashboards.source.tables import Column, table

_FLOW_CELL = "${__data.fields.Flow:percentencode}"
_GROUP_CELL = "${__data.fields.Group:percentencode}"

OVERVIEW = Dashboard(
    uid="flowtrail-overview",
    title="flowtrail / Overview",
    description="Is every event flow healthy? Where not, the figure leads to the dashboard that says why.",
    up_metric="flowtrail_collector_info",
    variables=(FLOW_VARIABLE, ORDER_VARIABLE, CONSOLE_VARIABLE, JAEGER_VARIABLE),
    links=(TRAIL_LINK, CONSOLE_LINK, JAEGER_LINK),
    panels=(
        stat(
            "Collector",
            "Collectors that answer. While none does, nothing else here is known.",
            Q.COLLECTORS,
            "short",
            steps((1, GREEN), base=RED),
            mappings=ANSWERS,
            links=[to_page("Collector", "flowtrail-collector")],
        ),
        stat(
            "Behind",
            "Everything older than this has been read; what is newer isn't in the figures yet.",
            Q.BEHIND,
            "s",
            BEHIND,
            links=[to_page("Collector", "flowtrail-collector")],
        ),
        stat("Alerts", "Firing alerts of flowtrail's rules.", Q.FIRING, "short", ANY_IS_BAD),
        stat(
            "Stuck",
            "Open flows past the deadline of a step.",
            Q.STUCK,
            "short",
            TROUBLE,
            links=[to_console("Stuck flows in the console", "/sagas?stuck=1")],
        ),
        stat(
            "Dead letters",
            "Dead letters that nobody has redriven or dismissed.",
            Q.DEAD_LETTERS,
            "short",
            TROUBLE,
            links=[to_dashboard("Dead letters", "flowtrail-dead-letters", "group", "$__all")],
        ),
        stat(
            "Groups in trouble",
            "Consumer groups that fall behind, stand still, have stopped, lose records or are past the end.",
            Q.GROUPS_IN_TROUBLE,
            "short",
            TROUBLE,
            links=[to_dashboard("Consumer lag", "flowtrail-lag", "group", "$__all")],
        ),
        stat("Started", "Flows that start, per second.", Q.STARTED, FLOWS, NEUTRAL),
        stat(
            "Completed",
            "Share of the flows that ended in this time range which were completed. A cancelled or"
            " refused order"
            " isn't completed either, so what is normal depends on the business.",
            Q.COMPLETION,
            "percentunit",
            NEUTRAL,
            no_value="none ended",
            decimals=1,
        ),
        stat(
            "Ended in time",
            "Share of the flows that ended in this time range by themselves, completed or cleanly"
            " undone, rather"
            " than by running out of time. This is what the completion objective is about.",
            Q.IN_TIME,
            "percentunit",
            RATIO,
            no_value="none ended",
            decimals=2,
        ),
        stat(
            "Median duration",
            "From start to end, of the flows that ended in this time range, however they ended.",
            Q.MEDIAN,
            "s",
            NEUTRAL,
            no_value="none ended",
        ),
        stat(
            "Open",
            "Flows that have started and not ended.",
            Q.OPEN,
            "short",
            NEUTRAL,
            links=[to_console("Open flows in the console", "/sagas?outcome=open")],
        ),
        stat(
            "Longest wait",
            "How long the oldest unread record of any group has waited.",
            Q.WORST_LAG,
            "s",
            LAG_SECONDS,
            links=[to_dashboard("Consumer lag", "flowtrail-lag", "group", "$__all")],
        ),
        table(
            "Firing alerts",
            "Each alert of flowtrail's rules that fires, what it is about, and for how long its condition has held.",
            [
                Column("Alert", label="alertname", unit="string"),
                Column("Severity", label="severity", unit="string"),
                Column(
                    "Flow",
                    label="flow",
                    unit="string",
                    links=[to_dashboard("Flow", "flowtrail-flow", "flow", _FLOW_CELL)],
                ),
                Column(
                    "Group",
                    label="group",
                    unit="string",
                    links=[to_dashboard("Consumer lag", "flowtrail-lag", "group", _GROUP_CELL)],
                ),
                Column("Topic", label="topic", unit="string"),
                Column("For", Q.FIRING_SINCE, unit="s"),
            ],
            sort_by="For",
            no_value="No alert fires.",
            size=(24, 6),
        ),
        Row("Flows"),
        table(
            "Flows",
            "Every kind of flow in this time range; a name leads to its dashboard.",
            [
                Column(
                    "Flow",
                    label="flow",
                    unit="string",
                    links=[
                        to_dashboard("Flow", "flowtrail-flow", "flow", _FLOW_CELL),
                        to_console("Instances in the console", f"/sagas?flow={_FLOW_CELL}"),
                    ],
                ),
                Column("Started", Q.TABLE_STARTED),
                Column("Completed", Q.TABLE_COMPLETION, unit="percentunit"),
                Column("Timed out", Q.TABLE_TIMED_OUT, thresholds=ANY_IS_BAD),
                Column("Open", Q.TABLE_OPEN),
                Column("Stuck", Q.TABLE_STUCK, thresholds=TROUBLE),
                Column("Duration, 95%", Q.TABLE_P95, unit="s"),
            ],
            sort_by="Stuck",
            size=(24, 7),
        ),
        lines(
            "Ended",
            "Flows that end, by how they end, per second.",
            [Query(Q.ENDED, "{{outcome}}")],
            FLOWS,
            stack=True,
            colors=OUTCOMES,
            links=[to_console("Instances in the console", "/sagas?outcome=${__field.labels.outcome}")],
        ),
        lines(
            "Open and stuck",
            "Flows that have not ended, and those of them past the deadline of a step.",
            [Query(Q.OPEN_BY_FLOW, "{{flow}}: open"), Query(Q.STUCK_BY_FLOW, "{{flow}}: stuck")],
            "short",
            links=[
                to_dashboard("Flow", "flowtrail-flow", "flow", FLOW_LABEL),
                to_console("Instances in the console", f"/sagas?flow={FLOW_LABEL}&outcome=open"),
            ],
        ),
        Row("Behind and dead"),
        lines(
            "Longest wait of an unread record",
            "The ten consumer groups whose oldest unread record has waited longest.",
            [Query(Q.LAG_SECONDS, "{{group}}"), Query(Q.LAG_OBJECTIVE, OBJECTIVE)],
            "s",
            LAG_SECONDS,
            links=[to_dashboard("Consumer lag", "flowtrail-lag", "group", GROUP_LABEL)],
        ),
        lines(
            "Pending dead letters",
            "Dead letters neither redriven nor dismissed, by the group that could not handle them.",
            or_none(Query(Q.DEAD_LETTERS_BY_GROUP, "{{group}} {{source_topic}}"), NOTHING),
            "short",
            steps((1, YELLOW), (10, RED)),
            links=[to_dashboard("Dead letters", "flowtrail-dead-letters", "group", GROUP_LABEL)],
        ),
        Row("Between services"),
        node_graph(
            "Services",
            "Which service reacts to which: at an edge the events with which it does, per second, at a service all that it reacts to.",
            Q.GRAPH_NODES,
            Q.GRAPH_EDGES,
            EVENTS,
            links=[to_console("The map of services in the console", "/map")],
        ),
        lines(
            "Events between services",
            "Events with which a service reacted to another's, per second; the twenty busiest edges.",
            [Query(Q.EDGES, "{{source}} to {{target}} by {{topic}}")],
            EVENTS,
            links=[to_console("The map of services in the console", "/map")],
        ),
        lines(
            "Reaction time, 95%",
            "From an event to the reaction's; the twenty slowest edges. Points are exemplars, of what took more than a"
            " second: each leads to a trace.",
            [
                Query(Q.EDGE_P95, "{{source}} to {{target}} by {{topic}}"),
                Query(Q.EDGE_EXEMPLARS, "exemplars", exemplar=True),
            ],
            "s",
            links=[to_console("The map of services in the console", "/map")],
        ),
    ),
)
