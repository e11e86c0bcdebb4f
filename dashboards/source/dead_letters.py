"""What died on the way?"""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard, query_variable
from dashboards.source.panels import bars, lines, stat
from dashboards.source.parts import ANY_IS_BAD, NEUTRAL, NONE, RED, YELLOW, Query, Row, or_none, steps
from dashboards.source.queries import DeadLetters as Q
from dashboards.source.selecting import NOTHING
from dashboards.source.shared import (
    CONSOLE_LINK,
    CONSOLE_VARIABLE,
    GROUP_LABEL,
    JAEGER_VARIABLE,
    TROUBLE,
    to_console,
)
from dashboards.source.tables import Column, table

_AGE = steps((3600, YELLOW), (86400, RED))
_LETTERS = to_console("These dead letters in the console", f"/dead-letters?group={GROUP_LABEL}")

DEAD_LETTERS = Dashboard(
    uid="flowtrail-dead-letters",
    title="flowtrail / Dead letters",
    description="What could not be handled: how much waits for a decision, since when, from whom and why.",
    up_metric="flowtrail_collector_info",
    variables=(
        # Not every dead letter tells its group or topic, so ".*", which fits an empty label too.
        query_variable("group", "Group", "label_values(flowtrail_dlq_pending, group)") | {"allValue": ".*"},
        query_variable("topic", "Source topic", "label_values(flowtrail_dlq_pending, source_topic)")
        | {"allValue": ".*"},
        CONSOLE_VARIABLE,
        JAEGER_VARIABLE,
    ),
    links=(CONSOLE_LINK,),
    panels=(
        stat(
            "Pending",
            "Dead letters neither redriven nor dismissed.",
            Q.PENDING,
            "short",
            TROUBLE,
            links=[to_console("Dead letters in the console", "/dead-letters?state=pending")],
            size=(6, 4),
        ),
        stat("Oldest", "Age of the oldest pending dead letter.", Q.OLDEST, "s", _AGE, size=(6, 4)),
        stat(
            "Arrived",
            "Dead letters that arrived in this time range.",
            Q.ARRIVED,
            "short",
            ANY_IS_BAD,
            size=(6, 4),
        ),
        stat(
            "Retained",
            "Records in all dead letter topics, those already dealt with included.",
            Q.RETAINED,
            "short",
            NEUTRAL,
            size=(6, 4),
        ),
        Row("Waiting for a decision"),
        lines(
            "Pending",
            "Dead letters neither redriven nor dismissed.",
            or_none(Query(Q.PENDING_OVER_TIME, "{{group}} {{source_topic}}"), NOTHING),
            "short",
            TROUBLE,
            links=[_LETTERS],
        ),
        lines(
            "Age of the oldest",
            "Age of the oldest pending dead letter.",
            or_none(Query(Q.OLDEST_OVER_TIME, "{{group}} {{source_topic}}"), NOTHING),
            "s",
            _AGE,
            show_thresholds=True,
            links=[_LETTERS],
        ),
        table(
            "By origin",
            "Pending dead letters by where they came from and who could not handle them.",
            [
                Column("Source topic", label="source_topic", unit="string"),
                Column(
                    "Group",
                    label="group",
                    unit="string",
                    links=[
                        to_console(
                            "These dead letters in the console",
                            "/dead-letters?group=${__data.fields.Group:percentencode}",
                        )
                    ],
                ),
                Column("Dead letter topic", label="topic", unit="string"),
                Column("Pending", Q.TABLE_PENDING, thresholds=TROUBLE),
                Column("Oldest", Q.TABLE_OLDEST, unit="s", thresholds=_AGE),
            ],
            sort_by="Pending",
        ),
        Row("Arrivals"),
        lines(
            "Arrivals by group",
            "Dead letters that arrive from one point to the next, by the group that could not handle them.",
            or_none(Query(Q.ARRIVALS_BY_GROUP, "{{group}} {{source_topic}}"), NOTHING),
            "short",
            ANY_IS_BAD,
            bars=True,
            size=(8, 8),
        ),
        lines(
            "Arrivals by error",
            "Dead letters that arrive from one point to the next, by type of error.",
            or_none(Query(Q.ARRIVALS_BY_ERROR, "{{error_type}}"), NOTHING),
            "short",
            ANY_IS_BAD,
            bars=True,
            size=(8, 8),
        ),
        lines(
            "Retained by topic",
            "Records in each dead letter topic.",
            or_none(Query(Q.RETAINED_BY_TOPIC, "{{topic}}"), NOTHING),
            "short",
            size=(8, 8),
        ),
        Row("Dealt with", collapsed=True),
        bars(
            "Redriven, quarantined, dismissed",
            "Dead letters dealt with in this time range: redriven to where they came from, quarantined after too"
            " many redrives, or dismissed.",
            [
                Query(Q.REDRIVEN, "{{group}} {{source_topic}}: redriven"),
                Query(Q.QUARANTINED, "{{group}} {{source_topic}}: quarantined"),
                Query(Q.DISMISSED, "{{group}} {{source_topic}}: dismissed"),
                Query(f"{NOTHING} unless on () ({Q.DEALT_WITH})", NONE),
            ],
            "short",
            NEUTRAL,
            links=[_LETTERS],
        ),
        lines(
            "Redrives under way",
            "Dead letters that redrives under way have still to move.",
            [Query(Q.REMAINING, "left")],
            "short",
        ),
    ),
)
