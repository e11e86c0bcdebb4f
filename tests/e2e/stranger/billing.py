"""A loop on confluent-kafka: JSON in, Avro out."""

import json
import os

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import flowtrail

SERVERS, PREFIX = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["PREFIX"]
SCHEMA = """{"type": "record", "name": "PaymentCompleted", "fields": [{"name": "order", "type": "string"}]}"""

trail = flowtrail.Trail(service=f"{PREFIX}billing")
serialize = AvroSerializer(SchemaRegistryClient({"url": os.environ["REGISTRY"]}), SCHEMA)
context = SerializationContext(f"{PREFIX}payments", MessageField.VALUE)
producer = trail.wrap_producer(Producer({"bootstrap.servers": SERVERS}))
settings = {"bootstrap.servers": SERVERS, "group.id": f"{PREFIX}billing", "auto.offset.reset": "earliest"}
consumer = trail.wrap_consumer(Consumer({**settings, "enable.auto.commit": False}), group=f"{PREFIX}billing")
consumer.subscribe([f"{PREFIX}orders"])
while True:
    message = consumer.poll(0.5)
    if message is None or message.error() is not None:
        continue
    order = json.loads(message.value())["order"]
    value = serialize({"order": order}, context)
    headers = {"ce_type": "PaymentCompleted", "ce_subject": order}
    producer.produce(f"{PREFIX}payments", value, key=message.key(), headers=headers)
    producer.flush()
    consumer.commit(message, asynchronous=False)
