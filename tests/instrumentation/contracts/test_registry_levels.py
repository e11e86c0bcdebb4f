"""Levels of compatibility of a real Apicurio Registry, and an outage of it, in each of the three formats."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from contractkit import DIALECTS, Dialect, FieldKind
from flowtrail import Retry, Trail
from flowtrail.contracts import Contracts, RegistrySource, RegistryUnavailableError, compare
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import ContractError
from flowtrail.testing import Harness
from servers._apicurio import ApicurioServer
from waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

ORDER_ID, TOTAL = FieldKind("order_id", "text", 1), FieldKind("total", "whole", 2)
CURRENCY = FieldKind("currency", "text", 4, default=("",))
V1, V2 = (ORDER_ID, TOTAL), (ORDER_ID, TOTAL, CURRENCY)
PLACED = {"order_id": "7", "total": 3}
Connect = Callable[..., RegistrySource]


def new_type() -> str:
    return f"OrderPlaced{uuid.uuid4().hex[:8]}"


# By change: old and new fields, and whom it breaks, as the comparison says it.
NOTE = FieldKind("note", "text", 4)
CHANGES = {
    "an optional field more": (V1, V2),
    "a required field more": (V1, (*V1, NOTE)),
    "a required field less": ((*V1, NOTE), V1),
    "another type": (V1, (ORDER_ID, FieldKind("total", "text", 2))),
}
LEVELS = {
    "NONE": frozenset[str](),
    "BACKWARD": frozenset({"backward"}),
    "FORWARD": frozenset({"forward"}),
    "FULL": frozenset({"backward", "forward"}),
    "BACKWARD_TRANSITIVE": frozenset({"backward"}),
    "FORWARD_TRANSITIVE": frozenset({"forward"}),
    "FULL_TRANSITIVE": frozenset({"backward", "forward"}),
}


# What Apicurio refuses beyond that. JSON Schema lets an open object hold anything under the new name, which a
# contract's publishers may not. Of Protobuf it refuses one direction alone and takes both together, against the
# language guide's "Updating A Message Type": fields may be added, and removed, "safely".
_BACKWARDS, _FORWARDS = {"BACKWARD", "BACKWARD_TRANSITIVE"}, {"FORWARD", "FORWARD_TRANSITIVE"}
BEYOND = {
    ("json", "an optional field more"): {*_BACKWARDS, "FULL", "FULL_TRANSITIVE"},
    ("protobuf", "an optional field more"): _FORWARDS,
    ("protobuf", "a required field more"): _FORWARDS,
    ("protobuf", "a required field less"): _BACKWARDS,
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_each_level_refuses_what_breaks_its_side(
    registry: str, connect: Connect, dialect: Dialect, change: str
) -> None:
    source = connect(registry)
    old, new = (
        FORMATS[dialect.name].parse("Order", dialect.text("Order", fields), "Order")
        for fields in CHANGES[change]
    )
    hurt = {side for one in compare(old, new) for side in one.breaks}
    refused: set[str] = set()
    for level in LEVELS:
        type = new_type()
        source.register(type, old)
        source._client.api.set_compatibility(subject_name=type, level=level)
        try:
            source.register(type, new)
        except ContractError:
            refused.add(level)
        assert source.versions(type, at_least=2) == ([1] if level in refused else [1, 2])
    expected = {level for level, sides in LEVELS.items() if sides & hurt}
    assert refused == expected | BEYOND.get((dialect.name, change), set())


def test_events_of_an_outage_are_dead_letters_that_can_be_read_later(
    registry_server: Callable[[], ApicurioServer], connect: Connect
) -> None:
    """The registry stops answering, without being gone, before a consumer has asked for anything."""
    server = registry_server()
    types = {name: new_type() for name in DIALECTS}
    for name, type in types.items():
        definition = FORMATS[name].parse(type, DIALECTS[name].text(type, V1), type)
        assert connect(server.url).register(type, definition) == 1
    publishers = Contracts(connect(server.url), framing="confluent")
    packed = {type: publishers.pack(type, 1, PLACED) for type in types.values()}
    values = {type: one.value for type, one in packed.items() if one is not None}
    assert len(values) == len(types)
    readers = Contracts(connect(server.url, timeout_seconds=1, retry_seconds=0.1), framing="confluent")
    got: list[Any] = []
    trail = Trail("billing", client="confluent", contracts=readers)
    retry = Retry(attempts=2)
    trail.consumer("orders", group="g", retry=retry, dead_letter=True)(lambda event: got.append(event.data))
    with Harness(trail) as harness:
        with server.paused():
            for type, value in values.items():
                harness.deliver_raw("orders", value, headers=[("ce_type", type.encode())])
        letters = harness.dead_letters()
        said = {dict(letter.headers)["dlq.error.type"] for letter in letters}
        assert (len(letters), got) == (len(types), [])
        assert {kind.rpartition(b".")[2] for kind in said if kind} == {b"RegistryUnavailableError"}
        for type, value in values.items():
            until(partial(_readable, readers, type, value), "the registry")
            harness.deliver_raw("orders", value, headers=[("ce_type", type.encode())])
        assert got == [PLACED] * len(types)


def _readable(contracts: Contracts, type: str, value: bytes) -> bool:
    try:
        return contracts.unpack(type, None, None, value) is not None
    except RegistryUnavailableError:
        return False
