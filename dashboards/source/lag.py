"""Who is behind?"""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard
from dashboards.source.panels import bars, lines, stat, states
from dashboards.source.parts import ANY_IS_BAD, NEUTRAL, OBJECTIVE, ORANGE, Query, Row, steps
from dashboards.source.queries import Lag as Q
from dashboards.source.queries import Queues
from dashboards.source.shared import (
    BEHIND,
    CONSOLE_LINK,
    CONSOLE_VARIABLE,
    GROUP_LABEL,
    GROUP_VARIABLE,
    JAEGER_VARIABLE,
    LAG_SECONDS,
    STATUS_COLORS,
    STATUS_WORDS,
    TOPIC_VARIABLE,
    TROUBLE,
    to_console,
)
from dashboards.source.tables import Column, table

_GROUP_LINK = to_console("Group in the console", f"/lag?group={GROUP_LABEL}")

QUEUES = (
    Row("Queues of RabbitMQ"),
    stat(
        "Alarms",
        "Nodes of RabbitMQ that are short of memory or disk: while it isn't 0, nobody can publish.",
        Queues.ALARMS,
        "short",
        ANY_IS_BAD,
    ),
    lines(
        "Alarms by kind",
        "Nodes that are short of memory, and nodes that are short of disk.",
        [Query(Queues.ALARMS_OVER_TIME, "{{kind}}")],
        "short",
        ANY_IS_BAD,
        size=(20, 4),
    ),
    lines(
        "Ready",
        "Messages that wait to be delivered: its consumers are slow, or there are none.",
        [Query(Queues.READY, "{{group}}")],
        "short",
        links=[_GROUP_LINK],
    ),
    lines(
        "Unacknowledged",
        "Messages that were delivered and not acknowledged yet: a handler is slow, hangs, or takes too many at once.",
        [Query(Queues.UNACKNOWLEDGED, "{{group}}")],
        "short",
        links=[_GROUP_LINK],
    ),
    lines(
        "Consumers",
        "Consumers of each queue; 0 means that nobody reads.",
        [Query(Queues.CONSUMERS, "{{group}}")],
        "short",
        links=[_GROUP_LINK],
    ),
    lines(
        "Published to queues",
        "Messages that come into each queue, per second.",
        [Query(Queues.PUBLISHED, "{{group}}")],
        "mps",
        links=[_GROUP_LINK],
    ),
    table(
        "Queues",
        "Every queue of RabbitMQ: what is in it, who reads it, how long its oldest message has waited.",
        [
            Column(
                "Queue",
                label="group",
                unit="string",
                links=[to_console("Queue in the console", "/lag?group=${__data.fields.Queue:percentencode}")],
            ),
            Column("Ready", Queues.READY),
            Column("Unacknowledged", Queues.UNACKNOWLEDGED),
            Column("Consumers", Queues.CONSUMERS),
            Column("Longest wait", Queues.SECONDS, unit="s", thresholds=LAG_SECONDS),
            Column(
                "Status",
                Queues.STATUS,
                unit="none",
                thresholds=STATUS_COLORS,
                mappings=STATUS_WORDS,
            ),
        ],
        sort_by="Ready",
        size=(24, 10),
    ),
)

LAG = Dashboard(
    uid="flowtrail-lag",
    title="flowtrail / Consumer lag",
    description="Who is behind, by how many records, for how long, and whether it gets better or worse.",
    up_metric="flowtrail_collector_info",
    variables=(GROUP_VARIABLE, TOPIC_VARIABLE, CONSOLE_VARIABLE, JAEGER_VARIABLE),
    links=(CONSOLE_LINK,),
    panels=(
        stat("Groups", "Consumer groups shown.", Q.GROUPS, "short", NEUTRAL),
        stat(
            "In trouble",
            "Groups that fall behind, stand still, have stopped, lose records or are past the end.",
            Q.IN_TROUBLE,
            "short",
            TROUBLE,
        ),
        stat(
            "Longest wait",
            "How long the oldest unread record of any group has waited.",
            Q.WORST_SECONDS,
            "s",
            LAG_SECONDS,
        ),
        stat("Records behind", "Unread records of all groups together.", Q.TOTAL, "short", NEUTRAL),
        stat(
            "Lost",
            "Records that retention removed before a group had read them, in this time range.",
            Q.LOST,
            "short",
            ANY_IS_BAD,
        ),
        stat(
            "Age of the figures",
            "When the collector last looked at the groups; older ones are shown until it can look again.",
            Q.AGE,
            "s",
            BEHIND,
        ),
        table(
            "Each group",
            "How every group stands now: what its lag means, how much it has to read, whether that grows, when it will"
            " have read everything, and who reads.",
            [
                Column(
                    "Group",
                    label="group",
                    unit="string",
                    links=[
                        to_console("Group in the console", "/lag?group=${__data.fields.Group:percentencode}")
                    ],
                ),
                Column(
                    "Status",
                    Q.STATUS,
                    unit="none",
                    thresholds=STATUS_COLORS,
                    mappings=STATUS_WORDS,
                ),
                Column("Records behind", Q.MESSAGES),
                Column("Longest wait", Q.SECONDS, unit="s", thresholds=LAG_SECONDS),
                Column("Trend", Q.TREND, unit="mps", thresholds=steps((0.1, ORANGE))),
                Column("Time to catch up", Q.GROUP_CATCH_UP, unit="s"),
                Column("Members", Q.MEMBERS),
            ],
            sort_by="Longest wait",
        ),
        states(
            "Status",
            "What the lag means, judged by how a group behaves over a window rather than by a threshold.",
            Query(Q.STATUS, "{{group}}"),
            STATUS_WORDS,
            STATUS_COLORS,
            links=[_GROUP_LINK],
        ),
        Row("Groups"),
        lines(
            "Records behind",
            "Records between a group's committed offsets and the ends of its partitions.",
            [Query(Q.MESSAGES, "{{group}}")],
            "short",
            links=[_GROUP_LINK],
        ),
        lines(
            "Longest wait",
            "How long a group's oldest unread record has waited.",
            [Query(Q.SECONDS, "{{group}}"), Query(Q.OBJECTIVE, OBJECTIVE)],
            "s",
            LAG_SECONDS,
            links=[_GROUP_LINK],
        ),
        lines(
            "Members",
            "Members of each group; 0 means that nobody reads.",
            [Query(Q.MEMBERS, "{{group}}")],
            "short",
            size=(24, 6),
        ),
        Row("Topics"),
        lines(
            "Records behind, by topic",
            "Records that a group has not read of a topic.",
            [Query(Q.TOPIC_MESSAGES, "{{group}}: {{topic}}")],
            "short",
            links=[_GROUP_LINK],
        ),
        lines(
            "Longest wait, by topic",
            "How long a group's oldest unread record of a topic has waited.",
            [Query(Q.TOPIC_SECONDS, "{{group}}: {{topic}}"), Query(Q.OBJECTIVE, OBJECTIVE)],
            "s",
            LAG_SECONDS,
            links=[_GROUP_LINK],
        ),
        lines(
            "Read",
            "Records that a group commits, per second.",
            [Query(Q.READ, "{{group}}: {{topic}}")],
            "mps",
            size=(8, 8),
        ),
        lines(
            "Written",
            "Records that are written to a topic, per second.",
            [Query(Q.WRITTEN, "{{topic}}")],
            "mps",
            size=(8, 8),
        ),
        lines(
            "Time to catch up",
            "At the rates of five minutes, while the oldest unread record has waited longer than half a minute; else 0."
            " A group that never will isn't drawn: its status says that it falls behind.",
            [Query(Q.CATCH_UP, "{{group}}: {{topic}}")],
            "s",
            size=(8, 8),
        ),
        Row("Retention", collapsed=True),
        lines(
            "Margin to retention",
            "Records between the earliest one retained and the group's commit nearest to it. When this"
            " reaches 0"
            " while the group is behind, it loses records.",
            [Query(Q.MARGIN, "{{group}}: {{topic}}")],
            "short",
        ),
        bars(
            "Lost to retention",
            "Records that retention removed before the group had read them, in this time range.",
            [Query(Q.LOST_BY_TOPIC, "{{group}}: {{topic}}")],
            "short",
            ANY_IS_BAD,
        ),
        Row("Commits", collapsed=True),
        lines(
            "Partitions without a commit",
            "Partitions that a member holds and has never committed: their lag isn't known.",
            [Query(Q.UNCOMMITTED, "{{group}}")],
            "short",
            TROUBLE,
            size=(12, 8),
        ),
        lines(
            "Commits for nothing",
            "Commits for partitions that no longer exist.",
            [Query(Q.ORPHANED, "{{group}}")],
            "short",
            TROUBLE,
            size=(12, 8),
        ),
        Row("Partitions"),
        table(
            "Partitions",
            "The fifty partitions that are furthest behind, in records or in time.",
            [
                Column(
                    "Group",
                    label="group",
                    unit="string",
                    links=[
                        to_console("Group in the console", "/lag?group=${__data.fields.Group:percentencode}")
                    ],
                ),
                Column("Topic", label="topic", unit="string"),
                Column("Partition", label="partition", unit="string"),
                Column("Records behind", Q.PARTITION_LAG),
                Column("Longest wait", Q.PARTITION_SECONDS, unit="s", thresholds=LAG_SECONDS),
                Column(
                    "Status",
                    Q.PARTITION_STATUS,
                    unit="none",
                    thresholds=STATUS_COLORS,
                    mappings=STATUS_WORDS,
                ),
            ],
            sort_by="Records behind",
            size=(24, 10),
        ),
        *QUEUES,
    ),
)
