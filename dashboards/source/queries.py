"""Queries of the dashboards about flows, groups and dead letters, one class per dashboard.

Collectors that share a store all report what is in it, so figures of the collector are taken once (`max by`)
and never added up over instances. What is counted over a time range comes from
`counting`, which is exact.
"""

from __future__ import annotations

from dashboards.source.counting import arrived, risen
from dashboards.source.selecting import (
    ANSWERING,
    BEHIND_SECONDS,
    COMPLETED,
    FLOW,
    GROUP,
    NOTHING,
    RANGE,
    RATE,
    TARGET,
    TIMED_OUT,
    TOPIC,
    latest,
    per_second,
    quantile,
    select,
    slow_ones,
)


class Overview:
    """Is every flow healthy?"""

    _ENDED = "flowtrail_saga_ended_total"
    STARTED = f"sum({per_second('flow', 'flowtrail_saga_started_total', FLOW)})"
    COMPLETION = (
        f"sum({risen('flow', _ENDED, FLOW, COMPLETED)}) / (sum({risen('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    IN_TIME = (
        f"1 - sum({risen('flow', _ENDED, FLOW, TIMED_OUT)})"
        f" / (sum({risen('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    OPEN = f"sum({latest('flow', 'flowtrail_saga_open_instances', FLOW)})"
    STUCK = f"sum({latest('flow', 'flowtrail_saga_stuck_instances', FLOW)})"
    COLLECTORS = f"{ANSWERING} or vector(0)"
    BEHIND = f"max({select('flowtrail_collector_watermark_age_seconds')})"
    DEAD_LETTERS = f"sum({latest('topic, source_topic, group', 'flowtrail_dlq_pending')}) or {NOTHING}"
    GROUPS_IN_TROUBLE = f"count({latest('group', 'flowtrail_group_status')} >= 2) or {NOTHING}"
    MEDIAN = (
        "histogram_quantile(0.5, sum by (le) (increase("
        f"{select('flowtrail_saga_duration_seconds_bucket', FLOW)}[{RANGE}])))"
    )
    WORST_LAG = f"max({latest('group', 'kafka_consumergroup_group_max_lag_seconds')})"
    FIRING = f'count(ALERTS{{alertname=~"Flowtrail.+", alertstate="firing"}}) or {NOTHING}'
    FIRING_SINCE = (
        'max by (alertname, severity, flow, group, topic) ((time() - ALERTS_FOR_STATE{alertname=~"Flowtrail.+"})'
        ' and ignoring (alertstate) ALERTS{alertname=~"Flowtrail.+", alertstate="firing"})'
    )
    TABLE_STARTED = risen("flow", "flowtrail_saga_started_total", FLOW)
    TABLE_COMPLETION = (
        f"{risen('flow', _ENDED, FLOW, COMPLETED)}"
        f" / (sum by (flow) ({risen('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    TABLE_OPEN = latest("flow", "flowtrail_saga_open_instances", FLOW)
    TABLE_STUCK = latest("flow", "flowtrail_saga_stuck_instances", FLOW)
    TABLE_TIMED_OUT = risen("flow", _ENDED, FLOW, TIMED_OUT)
    TABLE_P95 = (
        "histogram_quantile(0.95, sum by (flow, le) (increase("
        f"{select('flowtrail_saga_duration_seconds_bucket', FLOW)}[{RANGE}])))"
    )
    ENDED = f"sum by (outcome) ({per_second('flow, outcome', _ENDED, FLOW)})"
    OPEN_BY_FLOW = latest("flow", "flowtrail_saga_open_instances", FLOW)
    STUCK_BY_FLOW = latest("flow", "flowtrail_saga_stuck_instances", FLOW)
    LAG_SECONDS = f"topk(10, {latest('group', 'kafka_consumergroup_group_max_lag_seconds')})"
    LAG_OBJECTIVE = "max(group:flowtrail_group_lag_objective:seconds)"
    DEAD_LETTERS_BY_GROUP = (
        f"sum by (source_topic, group) ({latest('topic, source_topic, group', 'flowtrail_dlq_pending')})"
    )
    _EDGE = "source, topic, target"
    EDGES = f"topk(20, {per_second(_EDGE, 'flowtrail_edge_events_total')})"
    EDGE_P95 = f"topk(20, {quantile(0.95, _EDGE, 'flowtrail_edge_latency_seconds')})"
    EDGE_EXEMPLARS = slow_ones("flowtrail_edge_latency_seconds")
    # The node graph wants each edge and each node to have an id.
    _BETWEEN = f"sum by (source, target) ({per_second(_EDGE, 'flowtrail_edge_events_total')})"
    GRAPH_EDGES = f'label_join({_BETWEEN}, "id", " to ", "source", "target")'
    GRAPH_NODES = (
        f'label_replace(sum by (target) ({_BETWEEN}), "id", "$1", "target", "(.+)")'
        f' or on (id) label_replace(0 * sum by (source) ({_BETWEEN}), "id", "$1", "source", "(.+)")'
    )


class Flow:
    """One kind of flow."""

    _ENDED = "flowtrail_saga_ended_total"
    _DURATION = "flowtrail_saga_duration_seconds"
    STARTED = f"sum({per_second('flow', 'flowtrail_saga_started_total', FLOW)})"
    COMPLETION = Overview.COMPLETION
    IN_TIME = Overview.IN_TIME
    OPEN = Overview.OPEN
    STUCK = Overview.STUCK
    MEDIAN = (
        f"histogram_quantile(0.5, sum by (le) (increase({select(f'{_DURATION}_bucket', FLOW)}[{RANGE}])))"
    )
    STARTED_BY_FLOW = per_second("flow", "flowtrail_saga_started_total", FLOW)
    ENDED = f"sum by (outcome) ({per_second('flow, outcome', _ENDED, FLOW)})"
    COMPLETION_OVER_TIME = (
        f"{per_second('flow', _ENDED, FLOW, COMPLETED)}"
        f" / (sum by (flow) ({per_second('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    # Every label of a heat map has to fit beside it.
    _ROUGH_BUCKETS = r'le=~"(0\\.1|(1|5|30|60|300|900|3600|86400)(\\.0)?|.Inf)"'
    HEATMAP = f"sum by (le) (increase({select(f'{_DURATION}_bucket', FLOW, _ROUGH_BUCKETS)}[{RATE}]))"
    EXEMPLARS = slow_ones(_DURATION, FLOW)
    P50 = quantile(0.5, "flow", _DURATION, FLOW)
    P95 = quantile(0.95, "flow", _DURATION, FLOW)
    P99 = quantile(0.99, "flow", _DURATION, FLOW)
    OPEN_STEPS = latest("flow, step", "flowtrail_saga_open", FLOW)
    OLDEST_STEPS = (
        f"{latest('flow, step', 'flowtrail_saga_oldest_open_seconds', FLOW)}"
        f" or 0 * {latest('flow, step', 'flowtrail_saga_open', FLOW)}"
    )
    IN_TIME_OVER_TIME = (
        f"1 - {per_second('flow', _ENDED, FLOW, TIMED_OUT)}"
        f" / (sum by (flow) ({per_second('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    OBJECTIVE = f"max by (flow) (flow:flowtrail_saga_objective:ratio{{{FLOW}}})"
    STEP_EXEMPLARS = slow_ones("flowtrail_saga_step_duration_seconds", FLOW)
    STEP_P95 = quantile(0.95, "flow, step", "flowtrail_saga_step_duration_seconds", FLOW)
    STEP_MEAN = (
        f"sum by (flow, step) (rate({select('flowtrail_saga_step_duration_seconds_sum', FLOW)}[{RATE}]))"
        f" / (sum by (flow, step) (rate({select('flowtrail_saga_step_duration_seconds_count', FLOW)}"
        f"[{RATE}])) > 0)"
    )
    PREDICTED = latest("flow", "flowtrail_saga_predicted_breaches", FLOW)
    STUCK_OVER_TIME = latest("flow", "flowtrail_saga_stuck_instances", FLOW)
    STUCK_BY_REASON = f"sum by (flow, reason) ({latest('flow, step, reason', 'flowtrail_saga_stuck', FLOW)})"
    UNCOMPENSATED = latest("flow", "flowtrail_saga_uncompensated_instances", FLOW)
    PARTIAL = latest("flow", "flowtrail_saga_partial_instances", FLOW)
    BREACHES = risen("flow, step", "flowtrail_saga_deadline_breaches_total", FLOW)
    INCOMPLETE = risen("flow", "flowtrail_saga_incomplete_compensations_total", FLOW)
    LATE_COMPLETIONS = risen("flow", "flowtrail_saga_late_completions_total", FLOW)
    LATE_EVENTS = risen("flow", "flowtrail_saga_late_events_total", FLOW)
    DUPLICATES = risen("flow", "flowtrail_saga_duplicate_events_total", FLOW)
    OUT_OF_ORDER = risen("flow", "flowtrail_saga_out_of_order_events_total", FLOW)
    CONFLICTS = risen("flow", "flowtrail_saga_conflicts_total", FLOW)


class Lag:
    """Who is behind?"""

    _OFFSET = "kafka_consumergroup_group_offset"
    GROUPS = f"count({latest('group', 'flowtrail_group_members', GROUP)})"
    IN_TROUBLE = f"count({latest('group', 'flowtrail_group_status', GROUP)} >= 2) or {NOTHING}"
    WORST_SECONDS = f"max({latest('group', 'kafka_consumergroup_group_max_lag_seconds', GROUP)})"
    TOTAL = f"sum({latest('group', 'kafka_consumergroup_group_sum_lag', GROUP)})"
    LOST = f"sum({risen('group, topic', 'flowtrail_group_messages_lost_total', GROUP, TOPIC)})"
    AGE = "max(" + select("flowtrail_collector_lag_age_seconds") + ")"
    STATUS = latest("group", "flowtrail_group_status", GROUP)
    MESSAGES = latest("group", "kafka_consumergroup_group_sum_lag", GROUP)
    SECONDS = latest("group", "kafka_consumergroup_group_max_lag_seconds", GROUP)
    TOPIC_MESSAGES = latest("group, topic", "kafka_consumergroup_group_topic_sum_lag", GROUP, TOPIC)
    TOPIC_SECONDS = latest("group, topic", "flowtrail_group_topic_max_lag_seconds", GROUP, TOPIC)
    # A group that never catches up has +Inf, which no axis can show: its status says so. One that has just read
    # everything is told apart from one that is behind by how long its oldest record has waited.
    CATCH_UP = (
        f"max by (group, topic) (avg_over_time({select('flowtrail_group_catch_up_seconds', GROUP, TOPIC)}[5m]))"
        f" < +Inf and on (group, topic) {TOPIC_SECONDS} > {BEHIND_SECONDS}"
        f" or 0 * ({TOPIC_SECONDS} <= {BEHIND_SECONDS})"
    )
    GROUP_CATCH_UP = (
        f"max by (group) ({latest('group, topic', 'flowtrail_group_catch_up_seconds', GROUP, TOPIC)} < +Inf"
        f" and on (group, topic) {TOPIC_SECONDS} > {BEHIND_SECONDS})"
    )
    TREND = f"max by (group) (deriv({select('kafka_consumergroup_group_sum_lag', GROUP)}[{RATE}]))"
    OBJECTIVE = f"max(group:flowtrail_group_lag_objective:seconds{{{GROUP}}})"
    MARGIN = latest("group, topic", "flowtrail_group_retention_margin_messages", GROUP, TOPIC)
    MEMBERS = latest("group", "flowtrail_group_members", GROUP)
    # Offsets are gauges: a reset moves them back, which must not show as a burst of reading.
    READ = (
        "sum by (group, topic) (max by (group, topic, partition) (clamp_min(deriv("
        f"{select(_OFFSET, GROUP, TOPIC)}[{RATE}]), 0)))"
    )
    WRITTEN = (
        "sum by (topic) (max by (topic, partition) (clamp_min(deriv("
        f"{select('kafka_partition_latest_offset', TOPIC)}[{RATE}]), 0)))"
    )
    LOST_BY_TOPIC = risen("group, topic", "flowtrail_group_messages_lost_total", GROUP, TOPIC)
    UNCOMMITTED = latest("group", "flowtrail_group_uncommitted_partitions", GROUP)
    ORPHANED = latest("group", "flowtrail_group_orphaned_commits", GROUP)
    PARTITION_LAG = (
        f"topk(50, {latest('group, topic, partition', 'kafka_consumergroup_group_lag', GROUP, TOPIC)})"
    )
    PARTITION_SECONDS = (
        "topk(50, "
        f"{latest('group, topic, partition', 'kafka_consumergroup_group_lag_seconds', GROUP, TOPIC)})"
    )
    PARTITION_STATUS = latest("group, topic, partition", "flowtrail_group_partition_status", GROUP, TOPIC)


def _of_queue(metric: str) -> str:
    """A figure of RabbitMQ's queues by the group that each is, so that it narrows and joins as lag does."""
    by_group = f'label_replace({select(metric)}, "group", "rabbitmq:$1", "queue", "(.+)")'
    return f"max by (group) ({by_group}) and on (group) {latest('group', 'flowtrail_group_members', GROUP)}"


class Queues:
    """How do RabbitMQ's queues stand?"""

    _QUEUE = 'group=~"rabbitmq:.+"'
    ALARMS = f"sum({latest('kind', 'flowtrail_rabbitmq_alarms')})"
    ALARMS_OVER_TIME = latest("kind", "flowtrail_rabbitmq_alarms")
    READY = _of_queue("flowtrail_queue_ready_messages")
    UNACKNOWLEDGED = _of_queue("flowtrail_queue_unacknowledged_messages")
    CONSUMERS = _of_queue("flowtrail_queue_consumers")
    PUBLISHED = (
        "label_replace(max by (queue) (rate(flowtrail_queue_published_total{" + TARGET + "}[" + RATE + "]))"
        ', "group", "rabbitmq:$1", "queue", "(.+)")'
        f" and on (group) {latest('group', 'flowtrail_group_members', GROUP)}"
    )
    SECONDS = latest("group", "kafka_consumergroup_group_max_lag_seconds", GROUP, _QUEUE)
    STATUS = latest("group", "flowtrail_group_status", GROUP, _QUEUE)


class DeadLetters:
    """What died on the way?"""

    _KEYS = "topic, source_topic, group"
    _WHERE = (GROUP, 'source_topic=~"$topic"')
    _ARRIVALS = "flowtrail_dlq_arrivals_total"
    PENDING = f"sum({latest(_KEYS, 'flowtrail_dlq_pending', *_WHERE)}) or {NOTHING}"
    OLDEST = f"max({latest(_KEYS, 'flowtrail_dlq_oldest_seconds', *_WHERE)}) or {NOTHING}"
    RETAINED = f"sum({latest('topic', 'flowtrail_dlq_messages')}) or {NOTHING}"
    ARRIVED = f"sum({risen(_KEYS + ', error_type', _ARRIVALS, *_WHERE)}) or {NOTHING}"
    PENDING_OVER_TIME = latest(_KEYS, "flowtrail_dlq_pending", *_WHERE)
    OLDEST_OVER_TIME = latest(_KEYS, "flowtrail_dlq_oldest_seconds", *_WHERE)
    _ARRIVING = arrived(_KEYS + ", error_type", _ARRIVALS, *_WHERE)
    ARRIVALS_BY_GROUP = f"sum by (group, source_topic) ({_ARRIVING})"
    ARRIVALS_BY_ERROR = f"sum by (error_type) ({_ARRIVING})"
    RETAINED_BY_TOPIC = latest("topic", "flowtrail_dlq_messages")
    REDRIVEN = f"sum by (group, source_topic) ({risen(_KEYS, 'flowtrail_dlq_redriven_total', *_WHERE)})"
    QUARANTINED = f"sum by (group, source_topic) ({risen(_KEYS, 'flowtrail_dlq_quarantined_total', *_WHERE)})"
    DISMISSED = f"sum by (group, source_topic) ({risen(_KEYS, 'flowtrail_dlq_dismissed_total', *_WHERE)})"
    DEALT_WITH = f"{REDRIVEN} or {QUARANTINED} or {DISMISSED}"
    REMAINING = f"max({select('flowtrail_redrive_remaining')})"
    TABLE_PENDING = latest(_KEYS, "flowtrail_dlq_pending", *_WHERE)
    TABLE_OLDEST = latest(_KEYS, "flowtrail_dlq_oldest_seconds", *_WHERE)
