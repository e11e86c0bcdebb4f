"""What a contract costs per message in each format, beside Confluent's serializers.

    python -m bench.contracts [--rounds N] [--chunk N]

Both write and read the same order with three lines, with a registry's id in front, from the same schemas and a
registry client that answers from memory. They run in turns, in short chunks; what is reported is the median CPU time
per message. Ours checks what is written, names what breaks, and hands dictionaries to handlers; Confluent's Avro and
Protobuf serializers check nothing beyond what the encoding needs, and its Protobuf ones take and give messages, so
both ends are measured: as they stand, and with a dictionary on either side.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format, message_factory

from bench.results import now_text, show, write
from flowtrail.contracts import Contracts, Definition, RegistrySource, registered

OUT = Path("build/bench/contracts.json")
TYPE = "OrderPlaced"
ORDER = {
    "order_id": "order-000000123456",
    "customer_id": "customer-98765",
    "total_cents": 123_456,
    "express": True,
    "lines": [{"sku": f"sku-{n}", "quantity": n, "price_cents": 999 * n} for n in (1, 2, 3)],
}
_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_JSON_LINE = {"type": "object", "properties": {"sku": _TEXT, "quantity": _WHOLE, "price_cents": _WHOLE}}
_AVRO_LINE = {"type": "record", "name": "Line", "fields": [
    {"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"},
    {"name": "price_cents", "type": "long"}]}  # fmt: skip
TEXTS: Mapping[str, str] = {
    "json": json.dumps({"title": TYPE, "type": "object", "required": list(ORDER), "properties": {
        "order_id": _TEXT, "customer_id": _TEXT, "total_cents": _WHOLE, "express": {"type": "boolean"},
        "lines": {"type": "array", "items": _JSON_LINE}}}),
    "avro": json.dumps({"type": "record", "name": TYPE, "fields": [
        {"name": "order_id", "type": "string"}, {"name": "customer_id", "type": "string"},
        {"name": "total_cents", "type": "long"}, {"name": "express", "type": "boolean"},
        {"name": "lines", "type": {"type": "array", "items": _AVRO_LINE}}]}),
    "protobuf": """syntax = "proto3";
        message OrderPlaced { string order_id = 1; string customer_id = 2; int64 total_cents = 3; bool express = 4;
          repeated Line lines = 5; }
        message Line { string sku = 1; int32 quantity = 2; int64 price_cents = 3; }""",
}  # fmt: skip
KINDS = {"json": "JSON", "avro": "AVRO", "protobuf": "PROTOBUF"}
# Reading at most as long as theirs, with a dictionary at the end; writing checks what theirs doesn't.
TARGETS = {
    **{f"decode_ratio_{name}": ["<=", 1.0] for name in ("json", "avro", "protobuf_dict")},
    **{f"registry_calls_{name}": ["<=", 0] for name in ("json", "avro", "protobuf_dict", "protobuf_message")},
}

Step = Callable[[], Any]


class Asked:
    """Counts what is asked of a registry's client."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._api, name)
        if callable(found):
            self.count += 1
        return found


def ours_of(api: Any) -> tuple[Contracts, Asked]:
    """Contracts of a registry in memory, and the count of what they ask of it."""
    source = RegistrySource("http://127.0.0.1:1")
    source._client.api.close()
    asked = source._client.api = Asked(api)
    return Contracts(source, framing="confluent"), asked


def theirs_of(
    format: str, api: Any, definition: Definition
) -> dict[str, tuple[Any, Step, Callable[[bytes], Any]]]:
    """What ours is given, and Confluent's ways to write it and to read it, by name."""
    context = SerializationContext("orders", MessageField.VALUE)
    conf: dict[str, Any] = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: TYPE}
    if format == "avro":
        write_avro, read_avro = AvroSerializer(api, TEXTS[format], conf=conf), AvroDeserializer(api)
        return {"avro": (ORDER, lambda: write_avro(ORDER, context), lambda value: read_avro(value, context))}
    if format == "json":
        write_json, read_json = JSONSerializer(TEXTS[format], api, conf=conf), JSONDeserializer(TEXTS[format])
        return {"json": (ORDER, lambda: write_json(ORDER, context), lambda value: read_json(value, context))}
    kind = message_factory.GetMessageClass(definition.descriptor)  # type: ignore[attr-defined]
    message = kind(**ORDER)
    conf["use.deprecated.format"] = False
    write_message = ProtobufSerializer(kind, api, conf=conf)
    read_message = ProtobufDeserializer(kind, conf={"use.deprecated.format": False})

    def read_dict(value: bytes) -> Any:
        return json_format.MessageToDict(read_message(value, context), preserving_proto_field_name=True)

    return {
        "protobuf_message": (
            message,
            lambda: write_message(message, context),
            lambda value: read_message(value, context),
        ),
        "protobuf_dict": (ORDER, lambda: write_message(kind(**ORDER), context), read_dict),
    }


def per_message(step: Step, chunk: int) -> float:
    """CPU time in microseconds."""
    started = time.process_time()
    for _ in range(chunk):
        step()
    return (time.process_time() - started) / chunk * 1e6


def measure(steps: Mapping[str, Step], rounds: int, chunk: int) -> dict[str, list[float]]:
    """Times of each step, in turns."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for name, step in steps.items():
        per_message(step, chunk)
        found[name].clear()
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(per_message(step, chunk))
    return found


def figures_of(format: str, rounds: int, chunk: int) -> dict[str, float]:
    """All figures of a format."""
    api = SchemaRegistryClient.new_client({"url": f"mock://{format}"})
    if format != "protobuf":  # whose schema their serializer registers in a form of its own
        api.register_schema(TYPE, Schema(TEXTS[format], KINDS[format]))
    definition = registered(KINDS[format], TYPE, TEXTS[format], TYPE)
    contracts, asked = ours_of(api)
    figures: dict[str, float] = {}
    for name, (data, write_theirs, read_theirs) in theirs_of(format, api, definition).items():
        value = write_theirs()

        def write_ours(data: Any = data) -> Any:
            return contracts.pack(TYPE, 1, data)

        def read_ours(value: bytes = value) -> Any:
            found = contracts.unpack(TYPE, "1", None, value)
            return found and contracts.read(TYPE, found.version, found.data, unpacked=found.fits)

        steps: dict[str, Step] = {
            "encode_ours": write_ours, "encode_theirs": write_theirs, "decode_ours": read_ours,
            "decode_theirs": partial(read_theirs, value),
        }  # fmt: skip
        write_ours(), read_ours()
        before = asked.count
        times = measure(steps, rounds, chunk)
        figures[f"registry_calls_{name}"] = asked.count - before
        for side in ("encode", "decode"):
            ours, theirs = (statistics.median(times[f"{side}_{whose}"]) for whose in ("ours", "theirs"))
            figures[f"{side}_us_{name}"] = round(ours, 1)
            figures[f"{side}_ratio_{name}"] = round(ours / theirs, 2)
    return figures


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--chunk", type=int, default=1000)
    options = parser.parse_args()
    started, figures = now_text(), dict[str, float]()
    for format in TEXTS:
        figures |= figures_of(format, options.rounds, options.chunk)
    show(figures, TARGETS, 32)
    versions = {
        name: importlib.metadata.version(name) for name in ("confluent-kafka", "fastavro", "protobuf")
    }
    runs = {"rounds": options.rounds, "messages_per_round": options.chunk}
    write(OUT, started=started, versions=versions, runs=runs, figures=figures, targets=TARGETS)


if __name__ == "__main__":
    main()
