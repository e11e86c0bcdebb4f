"""Trouble for the collector that pages are looked at with: what is long, deep and manifold at three in the morning."""

from __future__ import annotations

import json
import time
import urllib.request

from confluent_kafka import Consumer, Producer, TopicPartition

from waiting import Deadline, scaled

__all__ = ["GROUP", "PLACES", "STORY", "UUID_ORDER", "publish_trouble", "redrive"]

UUID_ORDER = "0198f3a0-7777-7000-8000-0000000000ff"
GROUP = "warehouse-notification-dispatcher-eu-central-1"
STORY = {
    "subject": UUID_ORDER,
    "correlation_id": "0198f3a0-7777-7000-8000-0000000000c7",
    "trace_id": "7777777716cd43dd8448eb211c80319c",
}
"""Ids of an order whose number is as long as they get."""

_JAVA = """org.springframework.kafka.listener.ListenerExecutionFailedException: Listener method 'ship' threw exception
\tat org.springframework.kafka.listener.KafkaMessageListenerContainer$ListenerConsumer.doInvokeOnMessage(KafkaMessageListenerContainer.java:2873)
\tat org.springframework.kafka.listener.KafkaMessageListenerContainer$ListenerConsumer.invokeOnMessage(KafkaMessageListenerContainer.java:2844)
Caused by: com.example.warehouse.shipping.adapters.CarrierUnavailableException: no carrier takes parcels of 31.5 kg
\tat com.example.warehouse.shipping.adapters.CarrierGateway.bookParcel(CarrierGateway.java:118)
\t... 14 more
"""
_PYTHON = """Traceback (most recent call last):
  File "/srv/billing/handlers.py", line 41, in charge
    gateway.capture(reservation.total_cents, reservation.currency)
  File "/srv/billing/gateway.py", line 112, in capture
    raise ValueError("total_cents is negative")
ValueError: total_cents is negative
"""
_DOTNET = (
    "System.InvalidOperationException: the tenant isn't known\r\n"
    "   at Billing.Consumers.ChargeConsumer.Consume(ConsumeContext`1 context) in /src/Charge.cs:line 52\r\n"
    "   at MassTransit.Middleware.ConsumerMessageFilter`2.Send(ConsumeContext`1 context, IPipe`1 next)\r\n"
)
_LETTERS = {
    ("orders.fulfillment.dlq", "OrderConfirmed", "order-1007"): {
        "kafka_dlt-original-topic": b"orders",
        "kafka_dlt-original-partition": b"\0\0\0\0",
        "kafka_dlt-original-offset": b"\0\0\0\0\0\0\0\x03",
        "kafka_dlt-original-consumer-group": b"fulfillment",
        "kafka_dlt-exception-fqcn": b"org.springframework.kafka.listener.ListenerExecutionFailedException",
        "kafka_dlt-exception-cause-fqcn": b"com.example.warehouse.shipping.adapters.CarrierUnavailableException",
        "kafka_dlt-exception-message": b"Listener method 'ship' threw exception",
        "kafka_dlt-exception-stacktrace": _JAVA.encode(),
    },
    ("inventory.billing.dlq", "StockReserved", "order-1008"): {
        "dlq.topic": b"inventory",
        "dlq.partition": b"0",
        "dlq.offset": b"2",
        "dlq.group": b"billing",
        "dlq.attempts": b"3",
        "dlq.error.type": b"ValueError",
        "dlq.error.message": b"total_cents is negative",
        "dlq.error.stacktrace": _PYTHON.encode(),
    },
    ("payments.orders.dlq", "PaymentCompleted", UUID_ORDER): {
        "MT-Fault-InputAddress": b"kafka://broker/payments",
        "MT-Fault-ExceptionType": b"System.InvalidOperationException",
        "MT-Fault-Message": b"the tenant isn't known",
        "MT-Fault-ConsumerType": b"Billing.Consumers.ChargeConsumer",
        "MT-Fault-StackTrace": _DOTNET.encode(),
        "x-a-header-of-our-own-with-a-very-long-name": b"0198f3a0-7777-7000-8000-0000000000c7",
    },
}
PLACES = tuple(topic for topic, _, _ in _LETTERS)
"""The dead letter topics that there are letters in."""


def publish_trouble(servers: str) -> None:
    """Dead letters of three frameworks with stack traces, and a group with a long name that stopped reading."""
    producer = Producer({"bootstrap.servers": servers})
    now = int(time.time() * 1000)
    for number, ((topic, kind, order), headers) in enumerate(_LETTERS.items()):
        event = {
            "ce_specversion": b"1.0",
            "ce_id": f"0198f3a0-8888-7000-8000-00000000000{number}".encode(),
            "ce_type": kind.encode(),
            "ce_source": b"/inventory",
            "ce_subject": order.encode(),
            "ce_correlationid": f"0198f3a0-9999-7000-8000-00000000000{number}".encode(),
        }
        producer.produce(
            topic,
            b'{"total_cents": -1}',
            key=order,
            partition=0,
            timestamp=now - 60_000,
            headers=[*event.items(), *headers.items()],
        )
    producer.flush(scaled(10))
    consumer = Consumer({"bootstrap.servers": servers, "group.id": GROUP})
    consumer.commit(offsets=[TopicPartition("orders", 0, 1)], asynchronous=False)
    consumer.close()


def redrive(url: str, order_number: str) -> None:
    """Redrive the letters of an order as alice, and wait until that is done."""
    order = json.dumps({"id": order_number, "by": "alice"}).encode()
    request = urllib.request.Request(
        f"{url}/api/v1/dead-letters/redrive", order, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=scaled(10)) as answer:
        job = json.load(answer)["id"]
    deadline = Deadline(30)
    while True:
        with urllib.request.urlopen(f"{url}/api/v1/redrives/{job}", timeout=scaled(10)) as answer:
            if json.load(answer)["state"] == "done":
                return
        assert not deadline.passed, "the redrive isn't done"
        time.sleep(0.05)
