"""How do the services do?"""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard, query_variable
from dashboards.source.panels import heatmap, lines, stat
from dashboards.source.parts import ANY_IS_BAD, NEUTRAL, RED, YELLOW, Query, Row, data_link, or_none, steps
from dashboards.source.process_queries import Services as Q
from dashboards.source.shared import (
    CONSOLE_LINK,
    CONSOLE_VARIABLE,
    JAEGER_LINK,
    JAEGER_VARIABLE,
    to_dashboard,
)

_TRACES = data_link(
    "Traces of this service", "${jaeger}/search?service=${__field.labels.job:percentencode}", new_tab=True
)
_FAILED_TRACES = data_link(
    "Failed traces of this service",
    "${jaeger}/search?service=${__field.labels.job:percentencode}&tags=%7B%22error%22%3A%22true%22%7D",
    new_tab=True,
)
_GROUP_LINKS = [
    _TRACES,
    to_dashboard(
        "Consumer lag",
        "flowtrail-lag",
        "group",
        "${__field.labels.messaging_consumer_group_name:percentencode}",
        from_services=True,
    ),
]

SERVICES = Dashboard(
    uid="flowtrail-services",
    title="flowtrail / Services",
    description="What the services themselves measure through the library: rate, errors, time spent"
    " working and"
    " time spent in queues, retries. A service is a Prometheus job.",
    up_metric='{__name__=~"messaging_client_(consumed|sent)_messages_total"}',
    variables=(
        query_variable(
            "topic",
            "Topic",
            "label_values("
            '{__name__=~"messaging_client_(consumed|sent)_messages_total"}, messaging_destination_name)',
        ),
        CONSOLE_VARIABLE,
        JAEGER_VARIABLE,
    ),
    links=(CONSOLE_LINK, JAEGER_LINK),
    of_services=True,
    panels=(
        stat("Instances", "Processes that report.", Q.UP, "short", NEUTRAL),
        stat("Consumed", "Messages delivered to handlers, per second.", Q.CONSUMED, "mps", NEUTRAL),
        stat("Published", "Messages sent, per second.", Q.PUBLISHED, "mps", NEUTRAL),
        stat(
            "Failed",
            "Share of the handlings in this time range that failed; a retry is a handling of its own.",
            Q.FAILED_SHARE,
            "percentunit",
            steps((0.01, YELLOW), (0.05, RED)),
            no_value="nothing handled",
        ),
        stat(
            "Dead-lettered",
            "Messages that became dead letters in this time range.",
            Q.GIVEN_UP,
            "short",
            ANY_IS_BAD,
        ),
        stat(
            "Spans lost",
            "Spans that never reached the collector, in this time range.",
            Q.LOST_SPANS,
            "short",
            ANY_IS_BAD,
        ),
        Row("Rate"),
        lines(
            "Consumed",
            "Messages delivered to handlers, per second, by the group that reads them.",
            [Query(Q.CONSUMED_BY_JOB, "{{job}}: {{messaging_consumer_group_name}}")],
            "mps",
            links=_GROUP_LINKS,
        ),
        lines(
            "Published",
            "Messages sent, per second.",
            [Query(Q.SENT_BY_JOB, "{{job}} to {{messaging_destination_name}}")],
            "mps",
            links=[_TRACES],
        ),
        Row("Errors"),
        lines(
            "Failed handlings",
            "Handlings that failed, per second, by type of error; a retry is a handling of its own.",
            or_none(Query(Q.ERRORS, "{{job}} {{error_type}}"), Q.NONE),
            "mps",
            ANY_IS_BAD,
            links=[_FAILED_TRACES],
            size=(8, 8),
        ),
        lines(
            "Failed sends",
            "Messages that the broker didn't take, per second, by type of error.",
            or_none(Query(Q.SEND_ERRORS, "{{job}} {{error_type}}"), Q.NONE),
            "mps",
            ANY_IS_BAD,
            links=[_FAILED_TRACES],
            size=(8, 8),
        ),
        lines(
            "Dead letters",
            "Messages that became dead letters from one point to the next, by type of error.",
            or_none(Query(Q.DEAD_LETTERS, "{{job}} {{error_type}}"), Q.NONE),
            "short",
            ANY_IS_BAD,
            bars=True,
            links=[
                to_dashboard("Dead letters", "flowtrail-dead-letters", "group", "$__all", from_services=True)
            ],
            size=(8, 8),
        ),
        Row("Time"),
        heatmap(
            "Time in handlers",
            "Handlings by how long they took.",
            Query(Q.PROCESS_HEATMAP, "{{le}}"),
        ),
        lines(
            "Time in handlers",
            "Median and 95% of the duration of a handling.",
            [Query(Q.PROCESS_P50, "{{job}} 50%"), Query(Q.PROCESS_P95, "{{job}} 95%")],
            "s",
            links=[_TRACES],
        ),
        lines(
            "Time in queue",
            "Median and 95% of the time from a record's timestamp to the start of its first handling.",
            [Query(Q.QUEUE_P50, "{{job}} 50%"), Query(Q.QUEUE_P95, "{{job}} 95%")],
            "s",
            links=[_TRACES],
        ),
        lines(
            "Time at the broker, 95%",
            "Duration of sends (until acknowledged), polls and commits.",
            [Query(Q.OPERATION_P95, "{{job}} {{messaging_operation_name}}")],
            "s",
        ),
        Row("Contracts"),
        lines(
            "Contract versions in use",
            "Events by type and version, per second, published and consumed.",
            or_none(Query(Q.VERSIONS, "{{job}} {{type}}/{{version}} {{side}}"), Q.NONE),
            "mps",
            size=(24, 8),
        ),
        Row("Repeated and refused", collapsed=True),
        lines(
            "Retries",
            "Further attempts scheduled, per second; blocking in place, or by way of a retry topic.",
            or_none(Query(Q.RETRIES, "{{job}} {{mode}}"), Q.NONE),
            "mps",
            size=(8, 8),
        ),
        lines(
            "Duplicates",
            "Messages recognised as handled before, per second.",
            or_none(Query(Q.DUPLICATES, "{{job}}"), Q.NONE),
            "mps",
            size=(8, 8),
        ),
        lines(
            "Contract violations",
            "Events whose data broke their contract, per second.",
            or_none(Query(Q.VIOLATIONS, "{{job}} {{type}} {{side}}"), Q.NONE),
            "mps",
            ANY_IS_BAD,
            size=(8, 8),
        ),
        Row("The instrumentation itself", collapsed=True),
        lines(
            "Clock skew",
            "Messages whose timestamp lay in the future when they were handled, per second: clocks disagree.",
            or_none(Query(Q.SKEW, "{{job}}"), Q.NONE),
            "mps",
            size=(6, 8),
        ),
        lines(
            "Headers ignored",
            "Headers that were unusable or too long, per second.",
            or_none(Query(Q.DROPPED_HEADERS, "{{job}} {{reason}}"), Q.NONE),
            "headers/s",
            size=(6, 8),
        ),
        lines(
            "Spans lost",
            "Spans that never reached the collector, per second.",
            or_none(Query(Q.DROPPED_SPANS, "{{job}} {{reason}}"), Q.NONE),
            "spans/s",
            ANY_IS_BAD,
            size=(6, 8),
        ),
        lines(
            "Failures of the instrumentation",
            "What the library kept from the application, per second.",
            or_none(Query(Q.INTERNAL_ERRORS, "{{job}} {{where}}"), Q.NONE),
            "failures/s",
            ANY_IS_BAD,
            size=(6, 8),
        ),
    ),
)
