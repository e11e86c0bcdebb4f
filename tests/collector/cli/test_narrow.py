"""On a terminal of 80 columns every id can be copied: it stands on one line, whole."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import random
import re
import struct
import subprocess
import sys
import termios
import uuid

import pytest
from rich.cells import cell_len
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.web.json import letter_json, listed_json
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.forecast import Forecast, Risk
from flowtrail_collector.sagas.model.view import RoundView, SagaRow, SagaView, StepView
from flowtrail_collector.sagas.web import saga_row_json
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.json import trail_json
from flowtrail_collector.trails.model import TrailInputs
from trailkit.web import served

pytestmark = pytest.mark.slow(0.3)

WIDTH = 80
DICE = random.Random(80)
FORMS = [
    lambda: str(uuid.UUID(int=DICE.getrandbits(128))),
    lambda: f"{DICE.getrandbits(128):032x}",
    lambda: f"ord-{DICE.randrange(100)}",
    lambda: f"urn:shop:eu-central:orders:{uuid.UUID(int=DICE.getrandbits(128))}",
    lambda: "o" * 76,
]
IDS = [form() for form in FORMS for _ in range(3)]
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


def trail() -> dict:
    events = [
        StoredEvent(name, "OrderPlaced", "orders", 0, number, "/orders", IDS[number], IDS[-1 - number], None,
                    1_000, 1_000, f"{number:032x}")
        for number, name in enumerate(IDS)
    ]  # fmt: skip
    found = assemble(TrailInputs(events=tuple(events), sagas=(saga(3, IDS[3]),)), now_ms=10_000)
    return trail_json(found)


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
    for number, (name, status) in enumerate([("eu", "stopped"), ("us", "ok"), ("", None)])
]  # fmt: skip
LAG = {"collected_at": "2026-11-29T10:00:00Z", "groups": GROUPS, "left_out": 1, "failures": []}
GROUP_NAMES = [group["group"] for group in GROUPS]
TOPIC_NAMES = [topic["topic"] for topic in GROUPS[0]["topics"]]
ANSWERS = {
    "/api/v1/sagas": {"sagas": [saga_row_json(SagaRow(saga(n, name), n % 2 == 0), lambda group: None)
                                for n, name in enumerate(IDS, 1)]},
    "/api/v1/trails/one": {"matched_by": "order id", "trail": trail()},
    "/api/v1/trails/many": {"matched_by": "order id", "matches": MATCHES},
    "/api/v1/dead-letters": {"dead_letters": [listed_json(letter(n, name)) for n, name in enumerate(IDS, 1)]},
    "/api/v1/dead-letters/find": {"dead_letters": [listed_json(letter(n, name)) for n, name in enumerate(IDS, 1)]},
    "/api/v1/dead-letters/{topic}/{partition}/{offset}": DOSSIER,
    "/api/v1/dead-letters/audit": {"moved": [MOVED], "writes": []},
    "/api/v1/redrives": {"redrives": JOBS},
    "/api/v1/lag": LAG,
    "/api/v1/status": {"version": "1.0", "problems": {"kafka": "no broker answers, and the last one that did is gone"}},
    "/api/v1/topics": {"topics": [
        {"topic": TOPIC_NAMES[0], "records": 10**6, "without_type": 10**6, "without_id": 10**6, "mapped": False,
         "mapping_problems": 0, "last_offset": 10**6, "last_time": "2026-11-29T10:00:00Z",
         "advice": "records without a type: add a mapping to the flow file, or leave the topic out with --topics"}]},
}  # fmt: skip
PLACES = [f"inventory.stock-levels.billing.dlq/{n}@{10**9 + n}" for n in range(1, len(IDS) + 1)]
COMMANDS = {
    "sagas": (["sagas"], IDS),
    "sagas --stuck": (["sagas", "--stuck"], IDS),
    "dlq list": (["dlq", "list"], [*IDS, *PLACES]),
    "dlq show": (["dlq", "show", "t/0@1"], [*IDS, PLACES[0]]),
    "dlq show ID": (["dlq", "show", IDS[2]], [*IDS, *PLACES]),
    "dlq jobs": (["dlq", "jobs"], IDS),
    "lag": (["lag"], [*GROUP_NAMES, *TOPIC_NAMES]),
    "lag --group": (["lag", "--group", "one"], [*GROUP_NAMES[:1], *TOPIC_NAMES]),
    "trace": (["trace", "one"], [*IDS[:2], *(f"{number:032x}" for number in range(2))]),
    "trace of several": (["trace", "many"], IDS),
}


@pytest.fixture(scope="module")
def url():
    def route(path: str, answer: dict) -> Route:
        if path == "/api/v1/lag":
            one = {"groups": GROUPS[:1], "failures": []}
            return Route(
                path, lambda request: JSONResponse(one if "group" in request.query_params else answer)
            )
        return Route(path, lambda request: JSONResponse(answer))

    with served(Starlette(routes=[route(*item) for item in ANSWERS.items()])) as url:
        yield url


def on_a_terminal(arguments: list[str], width: int) -> list[str]:
    """The lines that a terminal of this width is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    program = [sys.executable, "-m", "flowtrail_collector", *arguments]
    with subprocess.Popen(
        program, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"}
    ):
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65_536):
                parts.append(part)
        except OSError as error:  # how Linux says that nobody holds the other end any more
            if error.errno != errno.EIO:
                raise
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(parts).decode())
    return text.replace("\r\n", "\n").split("\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_ids_are_never_broken_over_lines(url, command):
    arguments, ids = COMMANDS[command]
    lines = on_a_terminal([*arguments, "--url", url], WIDTH)
    words = {word.strip(",;:()") for line in lines for word in line.split()}
    assert [name for name in ids if name not in words] == []
    too_long = [line for line in lines if cell_len(line) > WIDTH and len(line.split()) > 1]
    assert too_long == []


@pytest.mark.parametrize(
    "command",
    [
        ["doctor", "--url", "{url}"],
        ["flows", "check", "docs/flows/booking.yaml"],
        ["flows", "check", "docs/flows/children.yaml"],
        ["flows", "try", "docs/flows/credit.yaml", "docs/flows/credit.txt"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_sentences_are_broken_between_words_and_indented(url, command):
    lines = on_a_terminal([word.replace("{url}", url) for word in command], WIDTH)
    assert len(lines) > 5
    assert [line for line in lines if cell_len(line) > WIDTH] == []
    if command[0] == "doctor":
        assert {line[:4].strip() for line in lines} <= {"ok", "FAIL", ""}


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["dlq", "list"], list(zip(IDS, PLACES, strict=True))),
        (["lag"], [(name, *TOPIC_NAMES) for name in GROUP_NAMES]),
    ],
    ids=["dlq list", "lag"],
)
def test_a_pipe_has_one_line_for_each_row(url, command, names):
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    program = [sys.executable, "-m", "flowtrail_collector", *command, "--url", url]
    piped = subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    rows = piped.splitlines()[1 : len(names) + 1]
    assert [[part in row for part in parts] for row, parts in zip(rows, names, strict=True)] == [
        [True] * len(parts) for parts in names
    ]


def test_what_fits_is_a_table(url):
    for command, headings in (("sagas", ["FLOW", "KEY", "OUTCOME"]), ("lag", ["GROUP", "STATUS", "LAG"])):
        assert on_a_terminal([command, "--url", url], 300)[0].split()[:3] == headings
