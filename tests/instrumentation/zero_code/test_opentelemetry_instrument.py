"""Programs that know nothing of flowtrail, started by `opentelemetry-instrument`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waiting import scaled

PROGRAMS = {
    "kafka-python": """
from kafka import KafkaConsumer, KafkaProducer

producer = KafkaProducer(bootstrap_servers=BROKER)
for _ in range(2):
    producer.send(TOPIC, b"v")
producer.flush()
consumer = KafkaConsumer(TOPIC, bootstrap_servers=BROKER, group_id=TOPIC, auto_offset_reset="earliest")
for number, record in enumerate(consumer, 1):
    handle(record.headers)
    if number == 2:
        break
consumer.close()
""",
    "confluent-kafka": """
from confluent_kafka import Consumer, Producer

producer = Producer({"bootstrap.servers": BROKER})
for _ in range(2):
    producer.produce(TOPIC, b"v")
producer.flush()
consumer = Consumer({"bootstrap.servers": BROKER, "group.id": TOPIC, "auto.offset.reset": "earliest"})
consumer.subscribe([TOPIC])
seen = 0
while seen < 2:
    message = consumer.poll(1)
    if message is not None and message.error() is None:
        handle(message.headers())
        seen += 1
consumer.close()
""",
    "aiokafka": """
import asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

async def main():
    async with AIOKafkaProducer(bootstrap_servers=BROKER) as producer:
        for _ in range(2):
            await producer.send_and_wait(TOPIC, b"v")
    async with AIOKafkaConsumer(
        TOPIC, bootstrap_servers=BROKER, group_id=TOPIC, auto_offset_reset="earliest"
    ) as consumer:
        for _ in range(2):
            handle((await consumer.getone()).headers)

asyncio.run(main())
""",
}
ON_RABBITMQ = {
    "pika": """
import pika

with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
    channel = connection.channel()
    channel.exchange_declare(TOPIC, "fanout")
    channel.queue_declare(TOPIC + ".group")
    channel.queue_bind(TOPIC + ".group", TOPIC)
    for _ in range(2):
        channel.basic_publish(TOPIC, "", b"v")

    def on_message(channel, method, properties, body):
        handle(properties.headers.items())
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == 2:
            channel.stop_consuming()

    channel.basic_consume(TOPIC + ".group", on_message)
    channel.start_consuming()
""",
    "aio-pika": """
import asyncio
import aio_pika

async def main():
    async with await aio_pika.connect_robust(BROKER) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(TOPIC, "fanout")
        queue = await channel.declare_queue(TOPIC + ".group")
        await queue.bind(exchange)
        for _ in range(2):
            await exchange.publish(aio_pika.Message(b"v"), "")
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    handle(message.headers.items())
                if message.delivery_tag == 2:
                    break

asyncio.run(main())
""",
}
HANDLER = """
import os
from opentelemetry import trace

BROKER, TOPIC = os.environ["BROKER"], os.environ["TOPIC"]

def handle(headers):
    with trace.get_tracer("app").start_as_current_span("work"):
        print("HEADERS", sorted(name for name, _ in headers), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("client", PROGRAMS)
def test_a_program_without_a_line_of_ours(
    devbroker: str, topic: Callable[..., str], tmp_path: Path, client: str
) -> None:
    names = ["ce_correlationid", "ce_id", "ce_source", "ce_specversion", "ce_time", "traceparent"]
    _is_traced(PROGRAMS[client], devbroker, topic(), tmp_path, names)


@pytest.mark.slow
@pytest.mark.parametrize("client", ON_RABBITMQ)
def test_a_program_on_rabbitmq_likewise(
    rabbitmq: str, topic: Callable[..., str], tmp_path: Path, client: str
) -> None:
    attributes = ["correlationid", "id", "source", "specversion", "time"]
    names = [*(f"cloudEvents_{name}" for name in attributes), "timestamp_in_ms", "traceparent"]
    _is_traced(ON_RABBITMQ[client], rabbitmq, topic(), tmp_path, names)


def _is_traced(text: str, broker: str, name: str, tmp_path: Path, names: list[str]) -> None:
    program = tmp_path / "app.py"
    program.write_text(HANDLER + text)
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    done = subprocess.run(
        [instrument, "--traces_exporter", "console", "--metrics_exporter", "none", "--logs_exporter", "none",
         sys.executable, program],
        env={
            **os.environ,
            "BROKER": broker,
            "TOPIC": name,
            "OTEL_SERVICE_NAME": "app",
            # OpenTelemetry's own instrumentations of the same clients.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "kafka,confluent_kafka,aiokafka,pika,aio-pika",
        },
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"HEADERS {names}") == 2
    spans = _spans(done.stdout)
    by_id = {span["context"]["span_id"]: span for span in spans}
    assert [span["name"] for span in spans].count(f"send {name}") == 2
    work = [span for span in spans if span["name"] == "work"]
    assert len(work) == 2
    for span in work:
        handled = by_id[span["parent_id"]]
        assert handled["name"] == f"process {name}"
        assert handled["resource"]["attributes"]["service.name"] == "app"
        assert by_id[handled["parent_id"]]["name"] == f"send {name}"


def _spans(output: str) -> list[dict[str, Any]]:
    """The JSON objects that the console exporter printed, between the program's own lines."""
    text = "\n".join(line for line in output.splitlines() if not line.startswith("HEADERS"))
    decoder, place, found = json.JSONDecoder(), 0, []
    while (start := text.find("{", place)) >= 0:
        span, place = decoder.raw_decode(text, start)
        found.append(span)
    return found
