"""Dead letters by cause: one fingerprint whatever ids a message names, and never one for two causes."""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime
from itertools import combinations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.causes import HOUR_MS, cause_of, normalised
from flowtrail_collector.cli._main import main
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import STATES, Selection
from flowtrail_collector.dead_letters.ports import Order
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.sql.letters import DeadLetterReads, where_of
from flowtrail_collector.dead_letters.web.routes import dead_letter_routes
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from redrivekit import dead, keep
from storekit.older import back_before
from trailkit.web import served

NOW_MS = 10 * HOUR_MS
WORDS = st.sampled_from(
    ["card", "declined", "no", "such", "order", "can't", "reach", "bank", "of", "customer's"]
)
PUNCTUATION = st.sampled_from([" ", ": ", " (", ") ", ", ", "; ", " - ", " = ", "\n", " -> "])
HEX = st.text("0123456789abcdef", min_size=8, max_size=40)
# Each kind of thing that differs from one message of a cause to the next, and a second one of its kind.
KINDS = {
    "number": st.integers(-(10**12), 10**12).map(str),
    "decimal": st.floats(-1e9, 1e9).map(lambda value: f"{value:.3f}"),
    "id": st.integers(0, 10**9).map("ORD-{}".format),
    "uuid": st.uuids().map(str),
    "hex": HEX,
    "0x": HEX.map("0x{}".format),
    "mail": st.text("abcxyz", min_size=1, max_size=9).map("{}@example.com".format),
    # Not what may be a name in code.
    "quoted": st.text(
        st.characters(exclude_characters="'\"\n`_.", exclude_categories=["Lu", "Ll"]), max_size=20
    ).flatmap(lambda text: st.sampled_from([f"'{text}'", f'"{text}"', f"`{text}`"])),
    "date": st.datetimes(datetime(1970, 1, 1)).map(lambda moment: f"{moment:%a, %d %b %Y %H:%M:%S} GMT"),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "url": st.text("abcxyz/-", max_size=12).map("https://shop.example.com/{}".format),
    "file": st.text("abcxyz", min_size=1, max_size=9).map("/var/lib/orders/{}.json".format),
    "moment": st.datetimes().map(lambda moment: moment.isoformat()),
    "list": st.lists(st.integers(0, 9999), min_size=1, max_size=9).map(lambda ids: ", ".join(map(str, ids))),
}


@st.composite
def messages_of_one_cause(draw):
    """Two messages that only differ in what they name."""
    first, second = "", ""
    for _ in range(draw(st.integers(1, 4))):
        word, mark = draw(WORDS), draw(PUNCTUATION)
        kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        first += f"{word}{mark}{draw(kind)} "
        second += f"{word}{mark}{draw(kind)} "
    return first, second


@given(messages_of_one_cause())
def test_messages_that_differ_in_ids_have_one_cause(pair):
    first, second = pair
    assert normalised(first) == normalised(second)
    assert cause_of("g", "T", "E", first) == cause_of("g", "T", "E", second)


NAMES = st.none() | st.text(max_size=12)


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=2, max_size=6, unique=True), NAMES)
def test_another_group_type_or_class_is_another_cause(keys, message):
    assert len({cause_of(group, kind, error, message) for group, kind, error in keys}) == len(keys)


@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=8))
def test_other_words_are_another_cause(some, others):
    same = some == others
    assert (cause_of("g", "T", "E", " ".join(some)) == cause_of("g", "T", "E", " ".join(others))) == same


@given(st.text(max_size=300))
def test_what_is_common_is_short_and_stays_when_read_again(message):
    common = normalised(message)
    assert len(common) <= 200
    assert not any(char.isdigit() for char in common)
    assert "\n" not in common


@pytest.mark.parametrize(
    ("message", "common"),
    [
        ("no card on file for ORD-17.", "no card on file for *."),
        ("order 17 of customer 'Ann O''Hara' is late", "order * of customer * is late"),
        ("customer's order can't be found", "customer's order can't be found"),
        ("Connection to db-7.example.com:5432 refused", "Connection to * refused"),
        ("key [a1, b2, c3] missing", "key [*] missing"),
        ("could not parse \"{total: never closed", "could not parse *"),
        ("Timeout after 30.5s (limit 30s)", "Timeout after * (limit *)"),
        ("at /orders/17/lines/3", "at /orders/*/lines/*"),
        ("  a\n\tb  ", "a b"),
        ("", ""),
        ("x" * 5_000, "x" * 200),
    ],
)  # fmt: skip
def test_what_messages_have_in_common(message, common):
    assert normalised(message) == common


@pytest.mark.slow
def test_a_hostile_message_takes_time_in_proportion_to_its_length():
    """Quadratic work on 4,000 characters would be 16 million steps for each of these."""
    for piece in ("«", "“", "„", "‘", "'", '"', "`", "* ", "a.", "@", "-1", "*,"):
        for _ in range(50):
            normalised(piece * 4_000)


@pytest.mark.parametrize(
    ("last_hour", "hour_before", "trend"),
    [(0, 0, "quiet"), (2, 2, "steady"), (3, 2, "rising"), (0, 1, "falling")],
)
def test_the_trend(last_hour, hour_before, trend):
    assert CauseRow("c", 9, 0, 1, last_hour, hour_before, dead(0)).trend == trend


CAUSES = [
    (group, error, message)
    for group in ("billing", "shipping")
    for error, message in (
        ("ValueError", "total of {id} is {number}, below zero"), ("ValueError", "no card on file for {quoted}"),
        ("TimeoutError", "{address} did not answer about {uuid} since {date}"), ("KeyError", "'{uuid}'"),
        ("OSError", "[Errno 2] {path} is not there (looked at {moment}, asked by {mail}, {url})"), (None, None),
    )
]  # fmt: skip


def named(number):
    """What differs from one message of a cause to the next, of each kind; no two numbers name the same."""
    draw = random.Random(number)
    moment = datetime.fromtimestamp(draw.randrange(2**31), UTC)
    letters = "".join(draw.choices("abcdefgh", k=9))
    ipv6 = ":".join(f"{draw.randrange(65536):x}" for _ in range(8))
    return {
        "id": f"ORD-{number}", "number": draw.choice([-1, 1]) * draw.random() * 10**6, "mail": f"{letters}@example.com",
        "uuid": uuid.UUID(int=draw.getrandbits(128)), "quoted": draw.choice(["'{}'", '"{}"', "`{}`"]).format(letters),
        "address": draw.choice([f"10.0.{number % 256}.{number // 256}:5432", f"[{ipv6}]:5432"]),
        "path": f"/var/lib/orders/{letters}.json", "url": f"https://shop.example.com/orders/{letters}?n={number}",
        "moment": moment.isoformat(), "date": f"{moment:%a, %d %b %Y %H:%M:%S} GMT",
    }  # fmt: skip


def ten_thousand():
    for number in range(10_000):
        group, error, message = CAUSES[number % len(CAUSES)]
        text = message and message.format(**named(number))
        header = DeadLetterHeaders(
            "flowtrail", "orders", 0, number, group=group, error_type=error, error_message=text
        )
        yield dead(
            number, letter=header, timestamp_ms=NOW_MS - 3 * HOUR_MS + number * 1_000, order=f"o{number}"
        )


@pytest.mark.slow(10)
def test_ten_thousand_dead_letters_of_twelve_causes_make_twelve_groups(sql_database, capsys):
    keep(sql_database, ten_thousand())
    reads = DeadLetterReads(sql_database)
    found = reads.list_causes(Selection(), NOW_MS, 50)
    assert len(CAUSES) == len(found) == 12
    assert sum(row.letters for row in found) == 10_000
    assert {(row.example.group, row.example.error_type) for row in found} == {cause[:2] for cause in CAUSES}
    assert [row.last_ms for row in found] == sorted((row.last_ms for row in found), reverse=True)
    for row in found:
        own = list(range(row.example.offset % 12, 10_000, 12))
        moments = [NOW_MS - 3 * HOUR_MS + number * 1_000 for number in own]
        assert (row.letters, row.first_ms, row.last_ms) == (len(own), moments[0], moments[-1])
        assert row.example.offset == own[-1]
        assert row.last_hour == sum(moment >= NOW_MS - HOUR_MS for moment in moments)
        assert row.hour_before == sum(NOW_MS - 2 * HOUR_MS <= m < NOW_MS - HOUR_MS for m in moments)
    # API and command line tell the same twelve.
    with served(
        build_app(dead_letter_routes(TrailReads(sql_database, Flows())), token=None, on_error=print)
    ) as url:
        assert main(["dlq", "causes", "--json", "--url", url]) == 0
    told = json.loads(capsys.readouterr().out)["causes"]
    assert [(cause["cause"], cause["count"]) for cause in told] == [(row.cause, row.letters) for row in found]
    # Acting on a group: what is counted, listed and redriven by it is the group, whole.
    chosen = Selection(cause=found[0].cause)
    store = SqlRedrive(sql_database)
    assert sum(group.letters for group in store.groups(chosen, NOW_MS)) == found[0].letters
    listed = reads.list_dead_letters(chosen, 1_000)
    assert {letter.cause for letter in listed} == {found[0].cause}
    assert len(listed) == found[0].letters
    assert store.dismiss(Order(chosen, actor="ann"), "known", NOW_MS) == found[0].letters
    assert len(reads.list_causes(Selection(), NOW_MS, 50)) == 11
    (gone,) = reads.list_causes(Selection(state="dismissed"), NOW_MS, 50)
    assert (gone.cause, gone.letters) == (found[0].cause, found[0].letters)


def test_filters_and_limits(sql_database):
    keep(
        sql_database,
        [
            dead(n, letter=DeadLetterHeaders("x", group=f"g{n % 5}", error_message=f"m {n}"))
            for n in range(20)
        ],
    )
    reads = DeadLetterReads(sql_database)
    assert len(reads.list_causes(Selection(), NOW_MS, 3)) == 3
    (only,) = reads.list_causes(Selection(group="g2"), NOW_MS, 50)
    assert (only.letters, only.example.group) == (4, "g2")
    assert reads.list_causes(Selection(group="nobody"), NOW_MS, 50) == []


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("orders", 2),
        ("rabbitmq:payments.orders", 1),
        ("rabbitmq:orders", 1),
        ("rabbitmq:mine", 1),
        ("rabbitmq:payments.mine", 1),
        ("payments.orders", 0),
        ("rabbitmq:", 0),
    ],
)
def test_a_group_on_rabbitmq_is_found_by_its_queue_too(sql_database, asked, count):
    places = [("payments", "orders"), ("rabbitmq:payments", "orders"), ("rabbitmq:payments", "mine")]
    keep(
        sql_database,
        [
            dead(n, letter=DeadLetterHeaders("x", source, group=group))
            for n, (source, group) in enumerate(places)
        ],
    )
    found = DeadLetterReads(sql_database).list_causes(Selection(group=asked), NOW_MS, 50)
    assert sum(each.letters for each in found) == count


@pytest.mark.parametrize("state", [None, *STATES])
def test_what_is_narrowed_to_a_cause_is_found_by_its_index(tmp_path, state):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    where, values = where_of(Selection(cause="c", state=state))
    with database.read() as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM dead_letters WHERE {where}", values
        ).fetchall()
    database.close()
    assert all("dead_letters_by_cause (state=? AND cause=?)" in row[3] for row in plan if "SEARCH" in row[3])
    assert not any("SCAN" in row[3] for row in plan)


def test_groups_are_counted_in_the_order_of_their_index(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    with database.read() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT cause, count(*), max(timestamp_ms) FROM dead_letters WHERE state = 'pending' GROUP BY cause"
        ).fetchall()
    database.close()
    assert [row[3] for row in plan] == [
        "SEARCH dead_letters USING COVERING INDEX dead_letters_by_cause (state=?)"
    ]


@pytest.mark.slow
def test_dead_letters_of_an_older_store_get_their_causes(sql_database, request):
    letters = [
        dead(n, letter=DeadLetterHeaders("x", group="g", error_message=f"m {n % 3} {'ab'[n % 2]}"))
        for n in range(2_500)
    ]
    keep(sql_database, letters)
    before = DeadLetterReads(sql_database).list_causes(Selection(), NOW_MS, 50)
    if isinstance(sql_database, SqliteDatabase):
        with sql_database.transaction() as connection:
            back_before(connection, "causes")
        again = SqliteDatabase(sql_database.path)
    else:
        url = request.getfixturevalue("postgres")
        with psycopg.connect(url) as connection:
            back_before(connection, "causes")
        again = PostgresDatabase(url)
    try:
        after = DeadLetterReads(again).list_causes(Selection(), NOW_MS, 50)
    finally:
        again.close()
    assert after == before
    assert len(after) == 2


def test_every_pair_of_the_causes_above_differs():
    found = [cause_of(group, "OrderPlaced", error, message) for group, error, message in CAUSES]
    assert all(one != other for one, other in combinations(found, 2))
