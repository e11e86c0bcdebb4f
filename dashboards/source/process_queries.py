"""Queries of the dashboards about processes: the services', and the collector's about itself."""

from __future__ import annotations

from dashboards.source.counting import arrived_in_processes, risen_in_processes
from dashboards.source.selecting import (
    ANSWERING,
    COLLECTORS,
    FAILED,
    NOTHING,
    RATE,
    SERVICE_TOPIC,
    TARGET,
    latest,
    per_second,
    quantile,
    select,
    summed,
)


class Services:
    """How do the services do? A job is a service here."""

    _CONSUMED = "messaging_client_consumed_messages_total"
    _SENT = "messaging_client_sent_messages_total"
    _PROCESS = "messaging_process_duration_seconds"
    _OPERATION = "messaging_client_operation_duration_seconds"
    _QUEUE = "flowtrail_queue_duration_seconds"
    _GROUP = "messaging_consumer_group_name"
    _RABBITMQ = 'messaging_system="rabbitmq"'
    _OTHER_BROKERS = 'messaging_system!="rabbitmq"'
    CONSUMED = f"sum({summed('job', _CONSUMED, SERVICE_TOPIC)})"
    PUBLISHED = f"sum({summed('job', _SENT, SERVICE_TOPIC)})"
    UP = (
        'count(count by (job, instance) ({__name__=~"messaging_client_(consumed|sent)_messages_total", '
        f"{TARGET}}}))"
    )
    NONE = f"0 * {UP}"
    FAILED_SHARE = (
        f"(sum({risen_in_processes(f'{_PROCESS}_count', SERVICE_TOPIC, FAILED)}) or {NONE})"
        f" / (sum({risen_in_processes(f'{_PROCESS}_count', SERVICE_TOPIC)}) > 0)"
    )
    GIVEN_UP = f"sum({risen_in_processes('flowtrail_dead_letters_total', SERVICE_TOPIC)}) or {NONE}"
    LOST_SPANS = f"sum({risen_in_processes('flowtrail_dropped_spans_total')}) or {NONE}"
    # A queue's group is called after the queue, in the collector's figures of lag.
    _OF_QUEUES = summed(f"job, messaging_destination_name, {_GROUP}", _CONSUMED, SERVICE_TOPIC, _RABBITMQ)
    CONSUMED_BY_JOB = (
        f"{summed(f'job, {_GROUP}', _CONSUMED, SERVICE_TOPIC, _OTHER_BROKERS)}"
        f' or sum by (job, {_GROUP}) (label_replace(label_join({_OF_QUEUES}, "{_GROUP}", ".",'
        f' "messaging_destination_name", "{_GROUP}"), "{_GROUP}", "rabbitmq:$1", "{_GROUP}", "(.+)"))'
    )
    SENT_BY_JOB = summed("job, messaging_destination_name", _SENT, SERVICE_TOPIC)
    ERRORS = summed("job, error_type", f"{_PROCESS}_count", SERVICE_TOPIC, FAILED)
    SEND_ERRORS = summed("job, error_type", _SENT, SERVICE_TOPIC, FAILED)
    PROCESS_P50 = quantile(0.5, "job", _PROCESS, SERVICE_TOPIC)
    PROCESS_P95 = quantile(0.95, "job", _PROCESS, SERVICE_TOPIC)
    PROCESS_HEATMAP = f"sum by (le) (increase({select(f'{_PROCESS}_bucket', SERVICE_TOPIC)}[{RATE}]))"
    QUEUE_P50 = quantile(0.5, "job", _QUEUE, SERVICE_TOPIC)
    QUEUE_P95 = quantile(0.95, "job", _QUEUE, SERVICE_TOPIC)
    OPERATION_P95 = quantile(0.95, "job, messaging_operation_name", _OPERATION)
    RETRIES = summed("job, mode", "flowtrail_retries_total", SERVICE_TOPIC)
    DEAD_LETTERS = (
        f"sum by (job, error_type) ({arrived_in_processes('flowtrail_dead_letters_total', SERVICE_TOPIC)})"
    )
    DUPLICATES = summed("job", "flowtrail_duplicates_total", SERVICE_TOPIC)
    VIOLATIONS = summed("job, type, side", "flowtrail_contract_violations_total", SERVICE_TOPIC)
    VERSIONS = summed("job, type, version, side", "flowtrail_schema_versions_total")
    SKEW = summed("job", "flowtrail_clock_skew_total", SERVICE_TOPIC)
    DROPPED_HEADERS = summed("job, reason", "flowtrail_dropped_headers_total")
    DROPPED_SPANS = summed("job, reason", "flowtrail_dropped_spans_total")
    INTERNAL_ERRORS = summed("job, where", "flowtrail_internal_errors_total")


class Collector:
    """Is the collector itself all right?"""

    UP = f"{ANSWERING} or vector(0)"
    BEHIND = f"max({select('flowtrail_collector_watermark_age_seconds')})"
    LAG_AGE = f"max({select('flowtrail_collector_lag_age_seconds')})"
    FAILING = f"sum({latest('scope', 'flowtrail_collector_lag_failing')}) or {NOTHING}"
    STORE = f"max({select('flowtrail_collector_store_bytes')})"
    ERRORS = f"sum({risen_in_processes('flowtrail_collector_errors_total')}) or {NOTHING}"
    RECORDS = f"sum by (kind) ({per_second('kind, instance', 'flowtrail_collector_records_total')})"
    WATERMARK = f"max by (instance) ({select('flowtrail_collector_watermark_age_seconds')})"
    CYCLE = f"max by (instance) ({select('flowtrail_collector_lag_cycle_seconds')})"
    LAG_AGE_OVER_TIME = f"max by (instance) ({select('flowtrail_collector_lag_age_seconds')})"
    CYCLES = f"sum by (instance) (rate({select('flowtrail_collector_lag_cycles_total')}[{RATE}]))"
    GROUPS = f"max by (instance) ({select('flowtrail_collector_lag_groups')})"
    PAIRS = f"max by (instance) ({select('flowtrail_collector_lag_pairs')})"
    LAG_ERRORS = f"sum by (scope) (rate({select('flowtrail_collector_lag_errors_total')}[{RATE}]))"
    PART_ERRORS = f"sum by (part) ({arrived_in_processes('flowtrail_collector_errors_total')})"
    SPANS = f"sum by (instance) (rate({select('flowtrail_collector_spans_received_total')}[{RATE}]))"
    SPANS_REJECTED = f"sum by (instance) (rate({select('flowtrail_collector_spans_rejected_total')}[{RATE}]))"
    SPANS_REFUSED = f"sum by (instance) (rate({select('flowtrail_collector_spans_refused_total')}[{RATE}]))"
    SPANS_WAITING = f"max by (instance) ({select('flowtrail_collector_spans_waiting')})"
    STORE_OVER_TIME = f"max by (instance) ({select('flowtrail_collector_store_bytes')})"
    SCRAPE = f"max by (instance) ({select('scrape_duration_seconds')} {COLLECTORS})"
    SAMPLES = f"max by (instance) ({select('scrape_samples_scraped')} {COLLECTORS})"
    TARGET_UP = f"min by (instance) ({select('up')} {COLLECTORS})"
