"""A Celery app as a service has it; the test starts a real worker on it, which publishes with kafka-python."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown

import flowtrail
from flowtrail.integrations.celery import carry_flow

FOLDER = os.environ["TASKS_FOLDER"]
TOPIC = os.environ["TASKS_TOPIC"]

app = Celery("tasks", broker="filesystem://", set_as_current=False)
app.conf.update(
    broker_transport_options=dict.fromkeys(
        ("data_folder_in", "data_folder_out", "processed_folder", "control_folder"), FOLDER
    ),
    task_default_queue="tasks",
)
carry_flow()
carry_flow()
# Nothing is connected before a task publishes: each process of the pool opens a producer of its own.
trail = flowtrail.Trail("billing", os.environ["TASKS_SERVERS"], client="kafka-python")


@worker_process_shutdown.connect
def close(**_: object) -> None:
    trail.close()


@app.task(bind=True, max_retries=3)
def charge(self: Any, subject: str, fail: bool = False) -> None:
    if fail and self.request.retries == 0:
        raise self.retry(countdown=0)
    trail.publish(TOPIC, {"retries": self.request.retries}, type="PaymentCompleted", subject=subject)
    receipt.delay(subject)


@app.task
def receipt(subject: str) -> None:
    trail.publish(TOPIC, {}, type="ReceiptSent", subject=subject)
