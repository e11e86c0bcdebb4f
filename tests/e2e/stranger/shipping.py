"""A loop on kafka-python that leaves the work to a Celery task."""

import os

from kafka import KafkaConsumer
from tasks import PREFIX, ship, trail

consumer = trail.wrap_consumer(
    KafkaConsumer(
        f"{PREFIX}payments",
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=f"{PREFIX}shipping",
        auto_offset_reset="earliest",
    )
)
for record in consumer:
    ship.delay(record.key.decode())
