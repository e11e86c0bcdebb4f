"""One kind of flow."""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard
from dashboards.source.panels import bars, heatmap, lines, stat
from dashboards.source.parts import (
    ANY_IS_BAD,
    FLOWS,
    NEUTRAL,
    OBJECTIVE,
    ORANGE,
    RED,
    YELLOW,
    Query,
    Row,
    steps,
)
from dashboards.source.queries import Flow as Q
from dashboards.source.shared import (
    CONSOLE_LINK,
    CONSOLE_VARIABLE,
    FLOW_LABEL,
    FLOW_VARIABLE,
    JAEGER_LINK,
    JAEGER_VARIABLE,
    ORDER_VARIABLE,
    OUTCOMES,
    RATIO,
    TRAIL_LINK,
    TROUBLE,
    to_console,
)

_STEP_LINK = to_console(
    "Who waits for this step, and why",
    f"/sagas?flow={FLOW_LABEL}&step=${{__field.labels.step:percentencode}}&outcome=open",
)
_STUCK_LINK = to_console("Stuck instances, with the reason for each", f"/sagas?flow={FLOW_LABEL}&stuck=1")

FLOW = Dashboard(
    uid="flowtrail-flow",
    title="flowtrail / Flow",
    description="One kind of flow: how many, how they end, how long they take, and where they wait.",
    up_metric="flowtrail_collector_info",
    variables=(FLOW_VARIABLE, ORDER_VARIABLE, CONSOLE_VARIABLE, JAEGER_VARIABLE),
    links=(TRAIL_LINK, CONSOLE_LINK, JAEGER_LINK),
    panels=(
        stat("Started", "Flows that start, per second.", Q.STARTED, FLOWS, NEUTRAL),
        stat(
            "Completed",
            "Share of the flows that ended in this time range which were completed.",
            Q.COMPLETION,
            "percentunit",
            NEUTRAL,
            no_value="none ended",
            decimals=1,
        ),
        stat(
            "Ended in time",
            "Share of the flows that ended in this time range by themselves rather than by running out"
            " of time.",
            Q.IN_TIME,
            "percentunit",
            RATIO,
            no_value="none ended",
            decimals=2,
        ),
        stat(
            "Median duration",
            "From start to end, over this time range, however they ended.",
            Q.MEDIAN,
            "s",
            NEUTRAL,
            no_value="none ended",
        ),
        stat("Open", "Flows that have started and not ended.", Q.OPEN, "short", NEUTRAL),
        stat(
            "Stuck",
            "Open flows past the deadline of a step.",
            Q.STUCK,
            "short",
            TROUBLE,
            links=[to_console("Stuck instances, with the reason for each", "/sagas?stuck=1")],
        ),
        Row("Throughput"),
        lines(
            "Started",
            "Flows that start, per second.",
            [Query(Q.STARTED_BY_FLOW, "{{flow}}")],
            FLOWS,
            size=(8, 8),
        ),
        lines(
            "Ended",
            "Flows that end, by how they end, per second.",
            [Query(Q.ENDED, "{{outcome}}")],
            FLOWS,
            stack=True,
            colors=OUTCOMES,
            size=(8, 8),
        ),
        lines(
            "Completion ratio",
            "Shares of the flows that end: completed ones, and those that didn't run out of time, which is what"
            " the objective is about.",
            [
                Query(Q.COMPLETION_OVER_TIME, "{{flow}}: completed"),
                Query(Q.IN_TIME_OVER_TIME, "{{flow}}: in time"),
                Query(Q.OBJECTIVE, OBJECTIVE),
            ],
            "percentunit",
            maximum=1,
            size=(8, 8),
        ),
        Row("Duration"),
        heatmap(
            "Durations",
            "Flows that ended, by how long they took.",
            Query(Q.HEATMAP, "{{le}}"),
        ),
        lines(
            "Duration",
            "Median, 95% and 99% of the time from start to end. Points are exemplars, of what took more than a second:"
            " each leads to a trace.",
            [
                Query(Q.P50, "{{flow}} 50%"),
                Query(Q.P95, "{{flow}} 95%"),
                Query(Q.P99, "{{flow}} 99%"),
                Query(Q.EXEMPLARS, "exemplars", exemplar=True),
            ],
            "s",
            size=(12, 10),
        ),
        Row("Steps"),
        bars(
            "Waiting for a step",
            "Open flows by the step that they wait for, now.",
            [Query(Q.OPEN_STEPS, "{{step}}")],
            "short",
            steps((10, YELLOW), (100, ORANGE), (1000, RED)),
            links=[_STEP_LINK],
            size=(8, 8),
        ),
        lines(
            "Open by step",
            "Open flows by the step that they wait for.",
            [Query(Q.OPEN_STEPS, "{{flow}}: {{step}}")],
            "short",
            stack=True,
            links=[_STEP_LINK],
            size=(8, 8),
        ),
        lines(
            "Longest wait for a step",
            "For how long the oldest open flow has waited for a step; 0 where none waits.",
            [Query(Q.OLDEST_STEPS, "{{flow}}: {{step}}")],
            "s",
            links=[_STEP_LINK],
            size=(8, 8),
        ),
        lines(
            "Duration of a step, 95%",
            "From a step's turn to its end. Points are exemplars, of what took more than a second: each leads to a trace.",
            [
                Query(Q.STEP_P95, "{{flow}}: {{step}}"),
                Query(Q.STEP_EXEMPLARS, "exemplars", exemplar=True),
            ],
            "s",
        ),
        lines(
            "Duration of a step, mean",
            "From a step's turn to its end.",
            [Query(Q.STEP_MEAN, "{{flow}}: {{step}}")],
            "s",
        ),
        Row("Stuck, and by what"),
        lines(
            "Stuck, about to be late, half undone, begun elsewhere",
            "Open flows past the deadline of a step; those that will probably miss one; cancelled ones with"
            " a step not undone yet; and those whose start was never seen.",
            [
                Query(Q.STUCK_OVER_TIME, "{{flow}}: stuck"),
                Query(Q.PREDICTED, "{{flow}}: will probably be late"),
                Query(Q.UNCOMPENSATED, "{{flow}}: half undone"),
                Query(Q.PARTIAL, "{{flow}}: start not seen"),
            ],
            "short",
            TROUBLE,
            links=[_STUCK_LINK],
            size=(8, 8),
        ),
        bars(
            "Stuck, by reason",
            "Open flows past the deadline of a step by what holds them: a dead letter, a group that has stopped,"
            " stands still or is behind, one that read the event and answered nothing, or nobody knows.",
            [Query(Q.STUCK_BY_REASON, "{{reason}}")],
            "short",
            TROUBLE,
            links=[_STUCK_LINK],
            size=(8, 8),
        ),
        bars(
            "Deadlines missed, by step",
            "Flows that missed the deadline of a step in this time range.",
            [Query(Q.BREACHES, "{{step}}")],
            "short",
            ANY_IS_BAD,
            links=[_STEP_LINK],
            size=(8, 8),
        ),
        Row("What went wrong without stopping a flow", collapsed=True),
        bars(
            "Irregular",
            "What went wrong in this time range without stopping the flow: compensation never finished,"
            " completed"
            " after timing out, events after the end, events read twice or before their cause, and both"
            " completed"
            " and cancelled.",
            [
                Query(Q.INCOMPLETE, "never fully undone"),
                Query(Q.LATE_COMPLETIONS, "completed late"),
                Query(Q.LATE_EVENTS, "event after the end"),
                Query(Q.DUPLICATES, "event twice"),
                Query(Q.OUT_OF_ORDER, "event before its cause"),
                Query(Q.CONFLICTS, "completed and cancelled"),
            ],
            "short",
            ANY_IS_BAD,
            size=(24, 8),
        ),
    ),
)
