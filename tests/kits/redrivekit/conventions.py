"""Dead letters as each project writes them, byte by byte: headers, and what is read from them."""

from __future__ import annotations

import struct

from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders

STAMP_MS = 1_700_000_000_123
INT32 = struct.Struct(">i").pack
INT64 = struct.Struct(">q").pack
# new BigInteger(...).toByteArray(): 1_700_000_000_123 takes six bytes.
BIG_INTEGER = bytes.fromhex("018bcfe5687b")

SPRING_DLT = [
    ("kafka_dlt-original-topic", b"orders"),
    ("kafka_dlt-original-partition", INT32(3)),
    ("kafka_dlt-original-offset", INT64(4_000_000_000)),
    ("kafka_dlt-original-timestamp", INT64(STAMP_MS)),
    ("kafka_dlt-original-timestamp-type", b"CreateTime"),
    ("kafka_dlt-original-consumer-group", b"billing"),
    ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
    ("kafka_dlt-exception-cause-fqcn", b"com.acme.CardDeclined"),
    ("kafka_dlt-exception-message", "Listener failed: nicht genügend".encode()),
    ("kafka_dlt-exception-stacktrace", b"at ..." * 1000),
]
SPRING_READ = DeadLetterHeaders(
    convention="spring-kafka",
    source_topic="orders",
    source_partition=3,
    source_offset=4_000_000_000,
    source_timestamp_ms=STAMP_MS,
    group="billing",
    error_type="com.acme.CardDeclined",
    error_message="Listener failed: nicht genügend",
)

FIXTURES = {
    "own": (
        [
            ("ce_type", b"OrderPlaced"),
            ("dlq.topic", b"orders"),
            ("dlq.partition", b"3"),
            ("dlq.offset", b"42"),
            ("dlq.timestamp", b"1700000000123"),
            ("dlq.group", b"billing"),
            ("dlq.attempts", b"4"),
            ("dlq.error.type", b"ValueError"),
            ("dlq.error.message", b"total_cents is negative"),
            ("dlq.error.stacktrace", b"Traceback"),
            ("dlq.failed_at", b"2023-11-14T22:13:21.000Z"),
            ("dlq.replays", b"1"),
        ],
        DeadLetterHeaders(
            "flowtrail",
            "orders",
            3,
            42,
            STAMP_MS,
            "billing",
            4,
            1,
            "ValueError",
            "total_cents is negative",
            1_700_000_001_000,
        ),
    ),
    "spring": (SPRING_DLT, SPRING_READ),
    "spring, a key that can't be read": (
        [
            ("kafka_dlt-original-topic", b"orders"),
            ("kafka_dlt-key-exception-fqcn", b"org.apache.kafka.common.errors.SerializationException"),
            ("kafka_dlt-key-exception-message", b"bad key"),
        ],
        DeadLetterHeaders(
            "spring-kafka",
            source_topic="orders",
            error_type="org.apache.kafka.common.errors.SerializationException",
            error_message="bad key",
        ),
    ),
    "spring retry topics": (
        [
            ("kafka_original-topic", b"orders"),
            ("kafka_original-partition", INT32(1)),
            ("kafka_original-offset", INT64(7)),
            ("kafka_original-timestamp", INT64(STAMP_MS + 5)),
            ("kafka_dlt-original-consumer-group", b"billing"),
            ("kafka_exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
            ("kafka_exception-cause-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_exception-message", b"no"),
            ("retry_topic-attempts", INT32(2)),
            ("retry_topic-original-timestamp", BIG_INTEGER),
            ("retry_topic-backoff-timestamp", BIG_INTEGER),
            # the next hop adds them once more
            ("retry_topic-attempts", INT32(3)),
            ("kafka_exception-message", b"still no"),
        ],
        DeadLetterHeaders(
            "spring-retry-topic",
            "orders",
            1,
            7,
            STAMP_MS,
            "billing",
            3,
            None,
            "java.lang.IllegalStateException",
            "still no",
        ),
    ),
    "spring retry topics before 2.8": (
        [("kafka_original-topic", b"orders"), ("retry_topic-attempts", b"\x04")],
        DeadLetterHeaders("spring-retry-topic", "orders", attempts=4),
    ),
    "spring cloud stream": (
        [
            ("x-original-topic", b"orders"),
            ("x-original-partition", INT32(2)),
            ("x-original-offset", INT64(11)),
            ("x-original-timestamp", INT64(STAMP_MS)),
            ("x-original-timestamp-type", b"CreateTime"),
            ("x-exception-fqcn", b"org.springframework.messaging.MessagingException"),
            ("x-exception-message", b"boom"),
            ("x-exception-stacktrace", b"..."),
        ],
        DeadLetterHeaders(
            "spring-cloud-stream",
            "orders",
            2,
            11,
            STAMP_MS,
            error_type="org.springframework.messaging.MessagingException",
            error_message="boom",
        ),
    ),
    "home-made after spring cloud stream, as text": (
        [
            ("x-original-topic", b"orders"),
            ("x-original-partition", b"0012"),
            ("x-original-offset", b"12345678"),
        ],
        DeadLetterHeaders("spring-cloud-stream", "orders", 12, 12_345_678),
    ),
    "kafka connect": (
        [
            ("__connect.errors.topic", b"orders"),
            ("__connect.errors.partition", b"5"),
            ("__connect.errors.offset", b"99"),
            ("__connect.errors.connector.name", b"s3-sink"),
            ("__connect.errors.task.id", b"0"),
            ("__connect.errors.stage", b"VALUE_CONVERTER"),
            ("__connect.errors.class.name", b"org.apache.kafka.connect.json.JsonConverter"),
            ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
            ("__connect.errors.exception.message", b"Converting byte[] to Kafka Connect data failed"),
            ("__connect.errors.exception.stacktrace", b"..."),
        ],
        DeadLetterHeaders(
            "kafka-connect",
            "orders",
            5,
            99,
            None,
            "s3-sink",
            None,
            None,
            "org.apache.kafka.connect.errors.DataException",
            "Converting byte[] to Kafka Connect data failed",
        ),
    ),
    "kafka streams": (
        [
            ("__streams.errors.exception", b"org.apache.kafka.common.errors.SerializationException: Size: 3"),
            ("__streams.errors.message", b"Size: 3"),
            ("__streams.errors.stacktrace", b"..."),
            ("__streams.errors.topic", b"orders"),
            ("__streams.errors.partition", b"0"),
            ("__streams.errors.offset", b"17"),
        ],
        DeadLetterHeaders(
            "kafka-streams",
            "orders",
            0,
            17,
            error_type="org.apache.kafka.common.errors.SerializationException",
            error_message="Size: 3",
        ),
    ),
    "share groups": (
        [
            ("__dlq.errors.topic", b"orders"),
            ("__dlq.errors.partition", b"2"),
            ("__dlq.errors.offset", b"41"),
            ("__dlq.errors.group", b"workers"),
            ("__dlq.errors.delivery.count", b"5"),
            ("__dlq.errors.message", b"Offset delivery count exceeded the threshold."),
        ],
        DeadLetterHeaders(
            "share-group",
            "orders",
            2,
            41,
            None,
            "workers",
            5,
            error_message="Offset delivery count exceeded the threshold.",
        ),
    ),
    "smallrye": (
        [
            ("dead-letter-exception-class-name", b"java.lang.RuntimeException"),
            ("dead-letter-reason", b"wrapped"),
            ("dead-letter-cause-class-name", b"java.io.IOException"),
            ("dead-letter-cause", b"disk full"),
            ("dead-letter-topic", b"orders"),
            ("dead-letter-partition", b"1"),
            ("dead-letter-offset", b"8"),
            # what the record had brought along from an earlier death comes after them
            ("dead-letter-topic", b"ancient"),
            ("dead-letter-offset", b"1"),
        ],
        DeadLetterHeaders(
            "smallrye", "orders", 1, 8, error_type="java.io.IOException", error_message="wrapped"
        ),
    ),
    "smallrye delayed retry": (
        [
            ("delayed-retry-exception-class-name", b"java.io.IOException"),
            ("delayed-retry-reason", b"timeout"),
            ("delayed-retry-topic", b"orders"),
            ("delayed-retry-partition", b"0"),
            ("delayed-retry-offset", b"5"),
        ],
        DeadLetterHeaders(
            "smallrye-retry", "orders", 0, 5, error_type="java.io.IOException", error_message="timeout"
        ),
    ),
    "masstransit": (
        [
            ("MT-Reason", b"fault"),
            ("MT-Fault-ExceptionType", b"System.InvalidOperationException"),
            ("MT-Fault-Message", b"The sky is falling"),
            ("MT-Fault-StackTrace", b"at ..."),
            ("MT-Fault-Timestamp", b"2023-11-14T22:13:20.1230000Z"),
            ("MT-Fault-ConsumerType", b"Billing.ChargeConsumer"),
            ("MT-Fault-InputAddress", b"loopback://localhost/orders?temporary=true"),
            ("MT-Fault-RetryCount", b"3"),
        ],
        DeadLetterHeaders(
            "masstransit",
            "orders",
            None,
            None,
            None,
            "Billing.ChargeConsumer",
            3,
            None,
            "System.InvalidOperationException",
            "The sky is falling",
            STAMP_MS,
        ),
    ),
    "nservicebus": (
        [
            ("NServiceBus.FailedQ", b"orders"),
            ("NServiceBus.TimeOfFailure", b"2023-11-14 22:13:20:123000 Z"),
            ("NServiceBus.ExceptionInfo.ExceptionType", b"System.Exception"),
            ("NServiceBus.ExceptionInfo.Message", b"An error"),
            ("NServiceBus.ExceptionInfo.StackTrace", b"at ..."),
            ("NServiceBus.Retries", b"2"),
        ],
        DeadLetterHeaders(
            "nservicebus",
            "orders",
            attempts=2,
            error_type="System.Exception",
            error_message="An error",
            failed_ms=STAMP_MS,
        ),
    ),
    "rabbitmq": (
        [
            (
                "x-death",
                b'[{"count": 2, "reason": "rejected", "queue": "orders", "time": "2023-11-14 22:13:20+00:00",'
                b' "exchange": "shop", "routing-keys": ["OrderPlaced"]},'
                b' {"count": 1, "reason": "expired", "queue": "wait", "time": "2023-11-14 22:13:19+00:00"}]',
            ),
            ("x-first-death-exchange", b"shop"),
            ("x-first-death-queue", b"wait"),
            ("x-first-death-reason", b"expired"),
        ],
        DeadLetterHeaders(
            "rabbitmq",
            source_topic="orders",
            group="orders",
            attempts=2,
            error_type="rejected",
            failed_ms=1_700_000_000_000,
        ),
    ),
}
