"""Celery tasks that publish by a kafka-python producer; each process of the pool has its own."""

import os
from functools import cache

from celery import Celery
from kafka import KafkaProducer

import flowtrail
from flowtrail.integrations.celery import carry_flow

FOLDER, PREFIX = os.environ["QUEUE"], os.environ["PREFIX"]
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = dict.fromkeys(
    ("data_folder_in", "data_folder_out", "processed_folder", "control_folder"), FOLDER
)
carry_flow()
trail = flowtrail.Trail(service=f"{PREFIX}shipping")


@cache
def producer() -> KafkaProducer:
    return trail.wrap_producer(KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"]))


@app.task
def ship(order: str) -> None:
    headers = [("ce_type", b"OrderShipped"), ("ce_subject", order.encode())]
    sent = producer().send(f"{PREFIX}shipments", b'{"parcels": 1}', key=order.encode(), headers=headers)
    sent.get(timeout=60)
