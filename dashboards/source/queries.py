"""Every query of the dashboards, one class per dashboard.

Collectors that share a store all report what is in it, so figures of the collector are taken once (`max by`)
and never added up over instances. Figures of services belong to one process each and are added up.
"""

from __future__ import annotations

TARGET = 'job=~"$job", instance=~"$instance"'
FLOW = 'flow=~"$flow"'
GROUP = 'group=~"$group"'
TOPIC = 'topic=~"$topic"'
SERVICE_TOPIC = 'messaging_destination_name=~"$topic"'
COMPLETED = 'outcome="completed"'
TIMED_OUT = 'outcome="timed_out"'
FAILED = 'error_type!=""'

RATE = "$__rate_interval"
RANGE = "$__range"


def select(metric: str, *matchers: str) -> str:
    """A selector with the matchers that every query has."""
    return f"{metric}{{{', '.join((TARGET, *matchers))}}}"


def latest(by: str, metric: str, *matchers: str) -> str:
    """A gauge of the collector."""
    return f"max by ({by}) ({select(metric, *matchers)})"


def per_second(by: str, metric: str, *matchers: str) -> str:
    """A counter of the collector, per second."""
    return f"max by ({by}) (rate({select(metric, *matchers)}[{RATE}]))"


def in_range(by: str, metric: str, *matchers: str) -> str:
    """How much a counter of the collector rose in the time range shown."""
    return f"max by ({by}) (increase({select(metric, *matchers)}[{RANGE}]))"


def quantile(share: float, by: str, histogram: str, *matchers: str) -> str:
    """A quantile of a histogram over the last moments."""
    buckets = select(f"{histogram}_bucket", *matchers)
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({buckets}[{RATE}])))"


def summed(by: str, counter: str, *matchers: str) -> str:
    """A counter of the services, per second."""
    return f"sum by ({by}) (rate({select(counter, *matchers)}[{RATE}]))"


def or_zero(expression: str, by: str) -> str:
    """The services' counters exist from their first event on; until then this shows 0 for each service."""
    return f"{expression} or 0 * {summed(by, 'messaging_client_consumed_messages_total')}"


class Overview:
    """Is every flow healthy?"""

    _ENDED = "flowtrail_saga_ended_total"
    STARTED = f"sum({per_second('flow', 'flowtrail_saga_started_total', FLOW)})"
    COMPLETION = (
        f"sum({in_range('flow', _ENDED, FLOW, COMPLETED)})"
        f" / (sum({in_range('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    IN_TIME = (
        f"1 - sum({in_range('flow', _ENDED, FLOW, TIMED_OUT)})"
        f" / (sum({in_range('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    OPEN = f"sum({latest('flow', 'flowtrail_saga_open_instances', FLOW)})"
    STUCK = f"sum({latest('flow', 'flowtrail_saga_stuck_instances', FLOW)})"
    DEAD_LETTERS = f"sum({latest('topic, source_topic, group', 'flowtrail_dlq_pending')}) or vector(0)"
    GROUPS_IN_TROUBLE = f"count({latest('group', 'flowtrail_group_status')} >= 2) or vector(0)"
    WORST_LAG = f"max({latest('group', 'kafka_consumergroup_group_max_lag_seconds')})"
    FIRING = 'count(ALERTS{alertname=~"Flowtrail.+", alertstate="firing"}) or vector(0)'
    TABLE_STARTED = in_range("flow", "flowtrail_saga_started_total", FLOW)
    TABLE_COMPLETION = (
        f"{in_range('flow', _ENDED, FLOW, COMPLETED)}"
        f" / (sum by (flow) ({in_range('flow, outcome', _ENDED, FLOW)}) > 0)"
    )
    TABLE_OPEN = latest("flow", "flowtrail_saga_open_instances", FLOW)
    TABLE_STUCK = latest("flow", "flowtrail_saga_stuck_instances", FLOW)
    TABLE_TIMED_OUT = in_range("flow", _ENDED, FLOW, TIMED_OUT)
    TABLE_P95 = (
        "histogram_quantile(0.95, sum by (flow, le) (increase("
        f"{select('flowtrail_saga_duration_seconds_bucket', FLOW)}[{RANGE}])))"
    )
    ENDED = f"sum by (outcome) ({per_second('flow, outcome', _ENDED, FLOW)})"
    OPEN_BY_FLOW = latest("flow", "flowtrail_saga_open_instances", FLOW)
    STUCK_BY_FLOW = latest("flow", "flowtrail_saga_stuck_instances", FLOW)
    LAG_SECONDS = f"topk(10, {latest('group', 'kafka_consumergroup_group_max_lag_seconds')})"
    DEAD_LETTERS_BY_GROUP = (
        f"sum by (source_topic, group) ({latest('topic, source_topic, group', 'flowtrail_dlq_pending')})"
        " or vector(0)"
    )
    _EDGE = "source, topic, target"
    EDGES = f"topk(20, {per_second(_EDGE, 'flowtrail_edge_events_total')})"
    EDGE_P95 = f"topk(20, {quantile(0.95, _EDGE, 'flowtrail_edge_latency_seconds')})"


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
    HEATMAP = f"sum by (le) (increase({select(f'{_DURATION}_bucket', FLOW)}[{RATE}]))"
    P50 = quantile(0.5, "flow", _DURATION, FLOW)
    P95 = quantile(0.95, "flow", _DURATION, FLOW)
    P99 = quantile(0.99, "flow", _DURATION, FLOW)
    OPEN_STEPS = latest("flow, step", "flowtrail_saga_open", FLOW)
    OLDEST_STEPS = (
        f"{latest('flow, step', 'flowtrail_saga_oldest_open_seconds', FLOW)}"
        f" or 0 * {latest('flow, step', 'flowtrail_saga_open', FLOW)}"
    )
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
    BREACHES = in_range("flow, step", "flowtrail_saga_deadline_breaches_total", FLOW)
    INCOMPLETE = in_range("flow", "flowtrail_saga_incomplete_compensations_total", FLOW)
    LATE_COMPLETIONS = in_range("flow", "flowtrail_saga_late_completions_total", FLOW)
    LATE_EVENTS = in_range("flow", "flowtrail_saga_late_events_total", FLOW)
    DUPLICATES = in_range("flow", "flowtrail_saga_duplicate_events_total", FLOW)
    OUT_OF_ORDER = in_range("flow", "flowtrail_saga_out_of_order_events_total", FLOW)
    CONFLICTS = in_range("flow", "flowtrail_saga_conflicts_total", FLOW)


class Lag:
    """Who is behind?"""

    _OFFSET = "kafka_consumergroup_group_offset"
    GROUPS = f"count({latest('group', 'flowtrail_group_members', GROUP)})"
    IN_TROUBLE = f"count({latest('group', 'flowtrail_group_status', GROUP)} >= 2) or vector(0)"
    WORST_SECONDS = f"max({latest('group', 'kafka_consumergroup_group_max_lag_seconds', GROUP)})"
    TOTAL = f"sum({latest('group', 'kafka_consumergroup_group_sum_lag', GROUP)})"
    LOST = f"sum({in_range('group, topic', 'flowtrail_group_messages_lost_total', GROUP, TOPIC)})"
    AGE = "max(" + select("flowtrail_collector_lag_age_seconds") + ")"
    STATUS = latest("group", "flowtrail_group_status", GROUP)
    MESSAGES = latest("group", "kafka_consumergroup_group_sum_lag", GROUP)
    SECONDS = latest("group", "kafka_consumergroup_group_max_lag_seconds", GROUP)
    TOPIC_MESSAGES = latest("group, topic", "kafka_consumergroup_group_topic_sum_lag", GROUP, TOPIC)
    TOPIC_SECONDS = latest("group, topic", "flowtrail_group_topic_max_lag_seconds", GROUP, TOPIC)
    # A group that never catches up has +Inf, which no axis can show: its status says so.
    CATCH_UP = f"{latest('group, topic', 'flowtrail_group_catch_up_seconds', GROUP, TOPIC)} < +Inf"
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
    LOST_OVER_TIME = in_range("group, topic", "flowtrail_group_messages_lost_total", GROUP, TOPIC)
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
    PENDING = f"sum({latest(_KEYS, 'flowtrail_dlq_pending', *_WHERE)}) or vector(0)"
    OLDEST = f"max({latest(_KEYS, 'flowtrail_dlq_oldest_seconds', *_WHERE)}) or vector(0)"
    RETAINED = f"sum({latest('topic', 'flowtrail_dlq_messages')}) or vector(0)"
    ARRIVED = f"sum({in_range(_KEYS + ', error_type', _ARRIVALS, *_WHERE)}) or vector(0)"
    PENDING_OVER_TIME = f"{latest(_KEYS, 'flowtrail_dlq_pending', *_WHERE)} or vector(0)"
    OLDEST_OVER_TIME = f"{latest(_KEYS, 'flowtrail_dlq_oldest_seconds', *_WHERE)} or vector(0)"
    ARRIVALS_BY_GROUP = (
        f"sum by (group, source_topic) ({per_second(_KEYS + ', error_type', _ARRIVALS, *_WHERE)})"
        " or vector(0)"
    )
    ARRIVALS_BY_ERROR = (
        f"sum by (error_type) ({per_second(_KEYS + ', error_type', _ARRIVALS, *_WHERE)}) or vector(0)"
    )
    RETAINED_BY_TOPIC = f"{latest('topic', 'flowtrail_dlq_messages')} or vector(0)"
    REDRIVEN = f"sum by (group, source_topic) ({in_range(_KEYS, 'flowtrail_dlq_redriven_total', *_WHERE)}) or vector(0)"
    QUARANTINED = f"sum by (group, source_topic) ({in_range(_KEYS, 'flowtrail_dlq_quarantined_total', *_WHERE)}) or vector(0)"
    DISMISSED = f"sum by (group, source_topic) ({in_range(_KEYS, 'flowtrail_dlq_dismissed_total', *_WHERE)}) or vector(0)"
    REMAINING = f"max({select('flowtrail_redrive_remaining')})"
    TABLE_PENDING = latest(_KEYS, "flowtrail_dlq_pending", *_WHERE)
    TABLE_OLDEST = latest(_KEYS, "flowtrail_dlq_oldest_seconds", *_WHERE)


class Services:
    """How do the services do? A job is a service here."""

    _CONSUMED = "messaging_client_consumed_messages_total"
    _SENT = "messaging_client_sent_messages_total"
    _PROCESS = "messaging_process_duration_seconds"
    _OPERATION = "messaging_client_operation_duration_seconds"
    _QUEUE = "flowtrail_queue_duration_seconds"
    CONSUMED = f"sum({summed('job', _CONSUMED, SERVICE_TOPIC)})"
    PUBLISHED = f"sum({summed('job', _SENT, SERVICE_TOPIC)})"
    FAILED_SHARE = (
        f"(sum(increase({select(f'{_PROCESS}_count', SERVICE_TOPIC, FAILED)}[{RANGE}]))"
        f" or vector(0)) / (sum(increase({select(f'{_PROCESS}_count', SERVICE_TOPIC)}[{RANGE}])) > 0)"
    )
    GIVEN_UP = f"sum(increase({select('flowtrail_dead_letters_total', SERVICE_TOPIC)}[{RANGE}])) or vector(0)"
    LOST_SPANS = f"sum(increase({select('flowtrail_dropped_spans_total')}[{RANGE}])) or vector(0)"
    UP = (
        'count(count by (job, instance) ({__name__=~"messaging_client_(consumed|sent)_messages_total", '
        f"{TARGET}}}))"
    )
    CONSUMED_BY_JOB = summed("job", _CONSUMED, SERVICE_TOPIC)
    SENT_BY_JOB = summed("job, messaging_destination_name", _SENT, SERVICE_TOPIC)
    ERRORS = or_zero(summed("job, error_type", f"{_PROCESS}_count", SERVICE_TOPIC, FAILED), "job")
    SEND_ERRORS = or_zero(summed("job, error_type", _SENT, SERVICE_TOPIC, FAILED), "job")
    PROCESS_P50 = quantile(0.5, "job", _PROCESS, SERVICE_TOPIC)
    PROCESS_P95 = quantile(0.95, "job", _PROCESS, SERVICE_TOPIC)
    PROCESS_HEATMAP = f"sum by (le) (increase({select(f'{_PROCESS}_bucket', SERVICE_TOPIC)}[{RATE}]))"
    QUEUE_P50 = quantile(0.5, "job", _QUEUE, SERVICE_TOPIC)
    QUEUE_P95 = quantile(0.95, "job", _QUEUE, SERVICE_TOPIC)
    OPERATION_P95 = quantile(0.95, "job, messaging_operation_name", _OPERATION)
    RETRIES = or_zero(summed("job, mode", "flowtrail_retries_total", SERVICE_TOPIC), "job")
    DEAD_LETTERS = or_zero(summed("job, error_type", "flowtrail_dead_letters_total", SERVICE_TOPIC), "job")
    DUPLICATES = or_zero(summed("job", "flowtrail_duplicates_total", SERVICE_TOPIC), "job")
    VIOLATIONS = or_zero(
        summed("job, type, side", "flowtrail_contract_violations_total", SERVICE_TOPIC), "job"
    )
    VERSIONS = or_zero(summed("job, type, version, side", "flowtrail_schema_versions_total"), "job")
    SKEW = or_zero(summed("job", "flowtrail_clock_skew_total", SERVICE_TOPIC), "job")
    DROPPED_HEADERS = or_zero(summed("job, reason", "flowtrail_dropped_headers_total"), "job")
    DROPPED_SPANS = or_zero(summed("job, reason", "flowtrail_dropped_spans_total"), "job")
    INTERNAL_ERRORS = or_zero(summed("job, where", "flowtrail_internal_errors_total"), "job")


class Collector:
    """Is the collector itself all right?"""

    UP = f"count({select('flowtrail_collector_info')})"
    BEHIND = f"max({select('flowtrail_collector_watermark_age_seconds')})"
    LAG_AGE = f"max({select('flowtrail_collector_lag_age_seconds')})"
    FAILING = f"sum({latest('scope', 'flowtrail_collector_lag_failing')}) or vector(0)"
    STORE = f"max({select('flowtrail_collector_store_bytes')})"
    ERRORS = f"sum(increase({select('flowtrail_collector_errors_total')}[{RANGE}])) or vector(0)"
    RECORDS = f"sum by (kind) ({per_second('kind, instance', 'flowtrail_collector_records_total')})"
    WATERMARK = f"max by (instance) ({select('flowtrail_collector_watermark_age_seconds')})"
    CYCLE = f"max by (instance) ({select('flowtrail_collector_lag_cycle_seconds')})"
    LAG_AGE_OVER_TIME = f"max by (instance) ({select('flowtrail_collector_lag_age_seconds')})"
    CYCLES = f"sum by (instance) (rate({select('flowtrail_collector_lag_cycles_total')}[{RATE}]))"
    GROUPS = f"max by (instance) ({select('flowtrail_collector_lag_groups')})"
    PAIRS = f"max by (instance) ({select('flowtrail_collector_lag_pairs')})"
    LAG_ERRORS = (
        f"sum by (scope) (rate({select('flowtrail_collector_lag_errors_total')}[{RATE}])) or vector(0)"
    )
    PART_ERRORS = f"sum by (part) (rate({select('flowtrail_collector_errors_total')}[{RATE}])) or vector(0)"
    SPANS = f"sum by (instance) (rate({select('flowtrail_collector_spans_received_total')}[{RATE}]))"
    SPANS_REJECTED = f"sum by (instance) (rate({select('flowtrail_collector_spans_rejected_total')}[{RATE}]))"
    SPANS_REFUSED = f"sum by (instance) (rate({select('flowtrail_collector_spans_refused_total')}[{RATE}]))"
    SPANS_WAITING = f"max by (instance) ({select('flowtrail_collector_spans_waiting')})"
    STORE_OVER_TIME = f"max by (instance) ({select('flowtrail_collector_store_bytes')})"
    SCRAPE = f"max by (instance) ({select('scrape_duration_seconds')})"
    SAMPLES = f"max by (instance) ({select('scrape_samples_scraped')})"
    TARGET_UP = f"min by (instance) ({select('up')})"
