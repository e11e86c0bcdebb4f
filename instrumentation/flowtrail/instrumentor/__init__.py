"""Zero-code instrumentation: `opentelemetry-instrument` finds these through entry points.

    opentelemetry-instrument python app.py

or, in code, before the clients are made:

    KafkaPythonInstrumentor().instrument()

Each class has `instrument(**settings)`, with those keyword arguments of `flowtrail.Trail` that concern
telemetry, and `uninstrument()`. Needs the extra `zero-code`.
"""

from flowtrail.instrumentor.aio_pika import AioPikaInstrumentor
from flowtrail.instrumentor.aiokafka import AIOKafkaInstrumentor
from flowtrail.instrumentor.confluent import ConfluentKafkaInstrumentor
from flowtrail.instrumentor.kafka_python import KafkaPythonInstrumentor
from flowtrail.instrumentor.pika import PikaInstrumentor

__all__ = [
    "AIOKafkaInstrumentor",
    "AioPikaInstrumentor",
    "ConfluentKafkaInstrumentor",
    "KafkaPythonInstrumentor",
    "PikaInstrumentor",
]
