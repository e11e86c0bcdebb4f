"""Services that hand the trace context on as it came: their events carry a span that isn't theirs."""

from __future__ import annotations

import random
from dataclasses import replace

from flowtrail_collector.spans import attributes as names
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.model import EntryKind
from trailkit import orders

NOW_MS = orders.START_MS + 100_000


def test_what_was_done_with_the_first_event_does_not_wait_for_theirs():
    story = orders.Story()
    placed = story.send("shop", "orders", "OrderPlaced", 0)
    story.process("fraud", placed, 20, 5)
    cause = story.id("OrderPlaced")
    for number, (service, event_type) in enumerate(
        [("stock", "StockReserved"), ("orders", "OrderConfirmed")]
    ):
        record = replace(
            story.events[0],
            event_id=story.id(event_type),
            type=event_type,
            topic=service,
            offset=1,
            source=f"/{service}",
            causation_id=cause,
            timestamp_ms=orders.START_MS + 50 + 30 * number,
        )
        story.events.append(record)
        cause = record.event_id
    read = {
        names.MESSAGE_ID: cause,
        names.DESTINATION: "orders",
        names.OFFSET: 1,
        names.EVENT_TYPE: "OrderConfirmed",
    }
    story.process("shop", replace(placed, attributes={**placed.attributes, **read}), 100, 5)
    for seed in range(5):
        random.Random(seed).shuffle(story.events)
        trail = assemble(story.inputs(), now_ms=NOW_MS)
        assert [
            (entry.kind.value, entry.service, entry.name)
            for entry in trail.entries
            if entry.kind is not EntryKind.QUEUE
        ] == [
            ("publish", "shop", "OrderPlaced"),
            ("process", "fraud", "OrderPlaced"),
            ("publish", "stock", "StockReserved"),
            ("publish", "orders", "OrderConfirmed"),
            ("process", "shop", "OrderConfirmed"),
        ]
        by_name = {(entry.kind.value, entry.name): entry for entry in trail.entries}
        assert by_name["publish", "StockReserved"].parent == by_name["publish", "OrderPlaced"].id
        assert by_name["publish", "OrderConfirmed"].parent == by_name["publish", "StockReserved"].id
