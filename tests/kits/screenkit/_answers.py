"""A collector's answers with names of every length and form, the same in each run."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.web.json import letter_json, listed_json
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.lag.words import status_words, verdict_words
from flowtrail_collector.sagas.model.forecast import Forecast, Risk
from flowtrail_collector.sagas.model.view import RoundView, SagaRow, SagaView, StepView
from flowtrail_collector.sagas.web import saga_row_json
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.json import trail_json
from flowtrail_collector.trails.model import TrailInputs

DICE = random.Random(80)
FORMS: list[Callable[[], str]] = [
    lambda: str(uuid.UUID(int=DICE.getrandbits(128))),
    lambda: f"{DICE.getrandbits(128):032x}",
    lambda: f"ord-{DICE.randrange(100)}",
    lambda: f"urn:shop:eu-central:orders:{uuid.UUID(int=DICE.getrandbits(128))}",
    lambda: "o" * 76,
]
IDS = [form() for form in FORMS for _ in range(3)]
WORDS = (
    "inventory",
    "stock",
    "levels",
    "central",
    "europe",
    "warehouse",
    "billing",
    "invoices",
    "returns",
    "v2",
)


def names(join: str, least: int, most: int) -> list[str]:
    return [f"{join.join(DICE.sample(WORDS, DICE.randint(least, most)))}{join}{n}" for n in range(len(IDS))]


TOPICS = [f"{('', 'rabbitmq:')[number % 2]}{name}" for number, name in enumerate(names(".", 1, 5))]
SERVICES = names("-", 1, 4)
TYPES = ["".join(map(str.capitalize, name.split("-"))) for name in names("-", 2, 6)]
STEPS = (
    StepView("reserve-stock", "failed", ("StockReserved", "StockReservationFailed"), "inventory",
             rounds=(RoundView("failed", 1_000, 2_000),), since_ms=5_000, until_ms=6_000),
    StepView("charge", "open", ("PaymentCompleted", "PaymentFailed"), "billing", 9_000, late=True, since_ms=7_000),
    StepView("confirm", "done", undo=("OrderConfirmationWithdrawn",), owed_times=2),
)  # fmt: skip
FORECAST = Forecast(
    ("charge", "ship"), 412, 10**13, 2 * 10**13, 3 * 10**13, None, (Risk("charge", 10**13, 0.8),)
)


def saga(number: int, name: str) -> SagaView:
    return SagaView("order-fulfilment", name, "open", 1_000, steps=STEPS, correlation_id=IDS[-number],
                    forecast=FORECAST, repeated_starts=number)  # fmt: skip


def letter(number: int, name: str) -> DeadLetter:
    return DeadLetter(
        "inventory.stock-levels.billing.dlq", number, 10**9 + number, 5, IDS[number - 1], "StockReserved", name,
        IDS[-number], source_topic="inventory.stock-levels", source_partition=3, source_offset=number,
        group="billing-and-invoicing", attempts=4, error_type="shop.errors.CardServiceUnavailable",
        error_message="the card service didn't answer within ten seconds, three times in a row",
    )  # fmt: skip


def trail() -> dict[str, Any]:
    events = [
        StoredEvent(name, "OrderPlaced", TOPICS[number], 0, number, f"/{SERVICES[number]}", IDS[number],
                    IDS[-1 - number], None, 1_000, 1_000, f"{number:032x}")
        for number, name in enumerate(IDS)
    ]  # fmt: skip
    found = assemble(TrailInputs(events=tuple(events), sagas=(saga(3, IDS[3]),)), now_ms=10_000)
    return trail_json(found)


TRAIL = trail()
MATCHES = [
    {"correlation_id": name, "subjects": IDS[:3], "flows": ["order-fulfilment"], "outcomes": ["open"],
     "started": "2026-11-29T10:00:00Z", "events": 12}
    for name in IDS
]  # fmt: skip
MOVED = {"at": "2026-11-29T10:00:00Z", "redrive": IDS[0], "by": "anna", "action": "redriven", "note": None,
         **{name: listed_json(letter(1, IDS[1]))[name] for name in ("topic", "partition", "offset")},
         "target_topic": "inventory.stock-levels", "target_partition": 3, "target_offset": 7}  # fmt: skip
RECORD = {
    "key": IDS[4],
    "value_bytes": 12,
    "headers": [{"name": "ce_id", "value": name} for name in IDS],
}
DOSSIER = {
    "dead_letter": letter_json(letter(1, IDS[1])),
    "record": RECORD,
    "problem": None,
    "history": [MOVED],
}
JOBS = [
    {"id": name, "created": "2026-11-29T10:00:00Z", "by": "anna@example.com", "state": "completed", "total": 100_000,
     "redriven": 90_000, "quarantined": 5, "refused": 17, "left": 0}
    for name in IDS
]  # fmt: skip
GROUPS = [
    {"group": f"{name}-billing", "type": "classic", "state": "preparing_rebalance", "status": status, "members": 12,
     "verdict": verdict_words(status, 12, age_seconds=age), "says": status_words(status, 12), "age_seconds": age,
     "lag": 10**number, "lag_seconds": 4000.0, "catch_up_seconds": None, "catching_up": False, "messages_lost": 7,
     "uncommitted_partitions": 0, "uncommitted_lag": None,
     "topics": [
         {"topic": f"inventory.stock-levels.{part}", "status": status, "lag": 10**9, "lag_seconds": 9.0,
          "catch_up_seconds": None, "catching_up": False, "consumed_per_second": 12_345.6,
          "produced_per_second": 12_345.6, "retention_margin": 10**9, "messages_lost": 10**6}
         for part in ("north", "south", "central")],
     "partitions": [
         {"topic": "inventory.stock-levels.central-and-eastern-europe", "partition": 100, "status": status,
          "offset": 10**12, "end": 10**12, "lag": 10**12, "lag_seconds": 10.0**6}]}
    for number, (name, status, age) in enumerate([("eu", "stopped", None), ("us", "ok", 7_000.0), ("", None, None)])
]  # fmt: skip
LAG = {"collected_at": "2026-11-29T10:00:00Z", "groups": GROUPS, "left_out": 1, "failures": [], "unread": {}}
GROUP_NAMES = [group["group"] for group in GROUPS]
TOPIC_NAMES = [topic["topic"] for topic in GROUPS[0]["topics"]]
ANSWERS = {
    "/api/v1/sagas": {"sagas": [saga_row_json(SagaRow(saga(n, name), n % 2 == 0), lambda group: None)
                                for n, name in enumerate(IDS, 1)]},
    "/api/v1/trails/one": {"matched_by": "order id", "trail": TRAIL},
    "/api/v1/trails/many": {"matched_by": "order id", "matches": MATCHES},
    "/api/v1/dead-letters": {"dead_letters": [listed_json(letter(n, name)) for n, name in enumerate(IDS, 1)]},
    "/api/v1/dead-letters/find": {"dead_letters": [listed_json(letter(n, name)) for n, name in enumerate(IDS, 1)]},
    "/api/v1/dead-letters/{topic}/{partition}/{offset}": DOSSIER,
    "/api/v1/dead-letters/audit": {"moved": [MOVED], "writes": []},
    "/api/v1/redrives": {"redrives": JOBS},
    "/api/v1/lag": LAG,
    "/api/v1/status": {"version": "1.0", "parts": {"kafka": {"state": "failing", "reason": "no broker answers, and the last one that did is gone"}}},
    "/api/v1/topics": {"topics": [
        {"topic": TOPIC_NAMES[0], "records": 10**6, "without_type": 10**6, "without_id": 10**6, "mapped": False,
         "mapping_problems": 0, "last_offset": 10**6, "last_time": "2026-11-29T10:00:00Z",
         "advice": "records without a type: add a mapping to the flow file, or leave the topic out with --topics"}]},
}  # fmt: skip
PLACES = [f"inventory.stock-levels.billing.dlq/{n}@{10**9 + n}" for n in range(1, len(IDS) + 1)]
CAUSES = [
    {"cause": f"{DICE.getrandbits(64):016x}", "group": group, "event_type": kind, "error_type": f"shop.errors.{kind}Error",
     "message": "the card service didn't answer within ten seconds, three times in a row", "count": 10**4,
     "first": "2026-11-29T10:00:00Z", "last": "2026-11-29T10:00:00Z", "last_hour": 12, "hour_before": 1,
     "trend": "rising", "example": listed_json(letter(number, IDS[number - 1]))}
    for number, (group, kind) in enumerate(zip(SERVICES, TYPES, strict=True), 1)
]  # fmt: skip
WRITES = [{"at": "2026-11-29T10:00:00Z", "by": "anna", "from": "10.0.0.1", "action": "dismiss", "detail": name}
          for name in IDS]  # fmt: skip
SURVEY = {
    "total": 10**5, "unmeasured": 3, "refused": [{"name": "its topic is gone, and nobody said where else to", "count": 1}],
    "by_error": [{"name": f"shop.errors.{kind}Error", "count": 10**number % 99_991} for number, kind in enumerate(TYPES)],
    "by_target": [{"name": topic, "count": 10**number % 99_991} for number, topic in enumerate(TOPICS)],
    "by_source_topic": [{"name": topic, "count": 7} for topic in TOPICS], "by_age": [{"name": "last hour", "count": 9}],
}  # fmt: skip
CHANGES = [
    {"flow": name, "open": 10**6, "changed": 10**5,
     "how": {f"the step {kind} is open and was waiting for {name}": 10**4 for kind in TYPES[:3]}}
    for name in SERVICES
]  # fmt: skip
FLOWS = [{"name": name, "instances": {"open": 10**5, "completed": 10**9}} for name in SERVICES]
ANSWERS |= {
    "/api/v1/dead-letters/causes": {"causes": CAUSES},
    "/api/v1/dead-letters/audit": {"moved": [MOVED], "writes": WRITES},
    "/api/v1/flows": {"flows": FLOWS},
}
POSTED = {"/api/v1/dead-letters/redrive": SURVEY, "/api/v1/flows/diff": {"flows": CHANGES}}
SAID = [*(str(row["cause"]) for row in CAUSES), *SERVICES, *TYPES]
NOT_FOUND = f"nothing is known of '{'-'.join(WORDS)}': it may be of a topic that nobody reads, or older than what is kept"
asked: list[dict[str, str]] = []


def collector() -> Starlette:
    """What answers so; `asked` has the queries."""
    one = {"groups": [{**GROUPS[0], "partitions": GROUPS[0]["partitions"] * 3}], "failures": [], "unread": {}}

    def route(path: str, answer: Any) -> Route:
        def answered(request: Request) -> JSONResponse:
            asked.append(dict(request.query_params))
            return JSONResponse(one if path == "/api/v1/lag" and "group" in request.query_params else answer)

        return Route(path, answered, methods=["POST" if path in POSTED else "GET"])

    routes = [route(*item) for item in [*ANSWERS.items(), *POSTED.items()]]
    # Whatever is fixed comes before what has a variable in its place.
    routes.sort(key=lambda item: "{" in item.path)
    missing = Route("/api/v1/{rest:path}", lambda request: JSONResponse({"error": NOT_FOUND}, 404))
    return Starlette(routes=[*routes, missing])
