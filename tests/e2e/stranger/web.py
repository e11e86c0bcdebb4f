"""FastAPI with an aiokafka producer of its own: takes orders."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI

import flowtrail
from flowtrail.integrations.asgi import FlowtrailMiddleware

SERVERS, PREFIX = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["PREFIX"]
trail = flowtrail.Trail(service=f"{PREFIX}shop")
producers: list[AIOKafkaProducer] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    producer = trail.wrap_producer(AIOKafkaProducer(bootstrap_servers=SERVERS))
    producers.append(producer)
    async with producer:
        yield
    trail.close()


app = FastAPI(lifespan=lifespan)
app.add_middleware(FlowtrailMiddleware, trail=trail)


@app.post("/orders/{order_id}", status_code=201)
async def place(order_id: str) -> dict[str, str]:
    headers = [("ce_type", b"OrderPlaced"), ("ce_subject", order_id.encode())]
    value = json.dumps({"order": order_id}).encode()
    await producers[0].send_and_wait(f"{PREFIX}orders", value, key=order_id.encode(), headers=headers)
    return {"order": order_id}


@app.get("/healthz")
def healthz() -> None:
    pass
