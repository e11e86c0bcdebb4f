"""Is the collector itself all right?"""

from __future__ import annotations

from dashboards.source.dashboard import Dashboard
from dashboards.source.panels import lines, stat, states
from dashboards.source.parts import ANY_IS_BAD, GREEN, NEUTRAL, RED, Query, Row, or_none, steps, values
from dashboards.source.process_queries import Collector as Q
from dashboards.source.selecting import NOTHING
from dashboards.source.shared import ANSWERS, BEHIND, CONSOLE_LINK, CONSOLE_VARIABLE, JAEGER_VARIABLE

COLLECTOR = Dashboard(
    uid="flowtrail-collector",
    title="flowtrail / Collector",
    description="Whether the other dashboards can be believed: is the collector up, does it keep up,"
    " what fails.",
    up_metric="flowtrail_collector_info",
    variables=(CONSOLE_VARIABLE, JAEGER_VARIABLE),
    links=(CONSOLE_LINK,),
    panels=(
        stat(
            "Collectors",
            "Collectors that answer.",
            Q.UP,
            "short",
            steps((1, GREEN), base=RED),
            mappings=ANSWERS,
        ),
        stat(
            "Behind",
            "Everything older than this has been read. Sagas are judged by it: a collector that is"
            " behind declares"
            " nothing late that it merely has not read.",
            Q.BEHIND,
            "s",
            BEHIND,
        ),
        stat("Age of lag figures", "When the groups were last looked at.", Q.LAG_AGE, "s", BEHIND),
        stat(
            "Unreadable",
            "Brokers, groups and topics that could not be read in the last collection of lag.",
            Q.FAILING,
            "short",
            ANY_IS_BAD,
        ),
        stat("Store", "Size of the store on disk.", Q.STORE, "bytes", NEUTRAL),
        stat(
            "Failures",
            "Failures of its parts in this time range; each is tried again.",
            Q.ERRORS,
            "short",
            ANY_IS_BAD,
        ),
        states(
            "Up",
            "Whether Prometheus gets an answer of each collector that it had one of within a day.",
            Query(Q.TARGET_UP, "{{instance}}"),
            values((0, "down", RED), (1, "up", GREEN)),
            steps((1, GREEN), base=RED),
            size=(24, 4),
        ),
        Row("Events"),
        lines(
            "Records read",
            "Records read per second: events, dead letters, and records without a type.",
            [Query(Q.RECORDS, "{{kind}}")],
            "mps",
            stack=True,
        ),
        lines(
            "Behind",
            "Everything older than this has been read.",
            [Query(Q.WATERMARK, "{{instance}}")],
            "s",
            BEHIND,
            show_thresholds=True,
        ),
        Row("Lag"),
        lines(
            "Collection of lag",
            "How long a collection takes, and how old its figures are.",
            [Query(Q.CYCLE, "{{instance}}: duration"), Query(Q.LAG_AGE_OVER_TIME, "{{instance}}: age")],
            "s",
            BEHIND,
            size=(8, 8),
        ),
        lines(
            "Collections",
            "Collections of lag, per second.",
            [Query(Q.CYCLES, "{{instance}}")],
            "collections/s",
            size=(8, 8),
        ),
        lines(
            "Looked at",
            "Groups, and pairs of group and partition with a commit.",
            [Query(Q.GROUPS, "{{instance}}: groups"), Query(Q.PAIRS, "{{instance}}: pairs")],
            "short",
            size=(8, 8),
        ),
        Row("Spans"),
        lines(
            "Spans",
            "Spans stored, spans rejected as invalid, and spans turned away until there is room, per second.",
            [
                Query(Q.SPANS, "{{instance}}: stored"),
                Query(Q.SPANS_REJECTED, "{{instance}}: rejected"),
                Query(Q.SPANS_REFUSED, "{{instance}}: turned away"),
            ],
            "spans/s",
        ),
        lines(
            "Spans waiting",
            "Spans that wait for the store. At its limit, requests are turned away until there is room.",
            [Query(Q.SPANS_WAITING, "{{instance}}")],
            "short",
        ),
        Row("Cost"),
        lines(
            "Store",
            "Size of the store on disk.",
            [Query(Q.STORE_OVER_TIME, "{{instance}}")],
            "bytes",
            size=(8, 8),
        ),
        lines("Scrape", "How long a scrape takes.", [Query(Q.SCRAPE, "{{instance}}")], "s", size=(8, 8)),
        lines("Series", "Samples per scrape.", [Query(Q.SAMPLES, "{{instance}}")], "short", size=(8, 8)),
        Row("Failures", collapsed=True),
        lines(
            "Reads that failed",
            "By what was to be read, per second; each is tried again in the next collection.",
            or_none(Query(Q.LAG_ERRORS, "{{scope}}"), NOTHING),
            "reads/s",
            ANY_IS_BAD,
        ),
        lines(
            "Failures by part",
            "Failures of its background parts and of sources of metrics, from one point to the next.",
            or_none(Query(Q.PART_ERRORS, "{{part}}"), NOTHING),
            "short",
            ANY_IS_BAD,
            bars=True,
        ),
    ),
)
