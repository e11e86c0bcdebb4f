"""Flows drafted from AsyncAPI documents: of one application, of circles, of requests and their replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowtrail_collector.documents.asyncapi.declared import Declared, declared_in
from flowtrail_collector.documents.asyncapi.drafting import draft_text, drafted_flows
from flowtrail_collector.documents.text import yaml_text
from flowtrail_collector.sagas.flow_file import parse_flows

pytestmark = pytest.mark.slow

Operations = list[tuple[str, str, str, str]]
"""Service (empty: the title's), action, type, and what the reply is: a type, or nothing."""


def document(folder: Path, title: str, operations: Operations) -> Declared:
    types = sorted({type for _, _, sent, reply in operations for type in (sent, reply) if type})
    made: dict[str, Any] = {}
    for number, (service, action, type, reply) in enumerate(operations):
        made[f"o{number}"] = {
            "action": action, "channel": {"$ref": f"#/channels/{type}"},
            **({"x-flowtrail-service": service} if service else {}),
            **({"reply": {"channel": {"$ref": f"#/channels/{reply}"}}} if reply else {}),
        }  # fmt: skip
    file = folder / f"{title}.yaml"
    channels = {type: {"address": type, "messages": {type: {"name": type}}} for type in types}
    shape = {"asyncapi": "3.0.0", "info": {"title": title, "version": "1"}, "channels": channels}
    file.write_text(yaml_text({**shape, "operations": made}), encoding="utf-8")
    return declared_in(file)


def plain(service: str, reads: str, sends: str) -> Operations:
    return [
        *((service, "receive", type, "") for type in reads),
        *((service, "send", type, "") for type in sends),
    ]


CASES: dict[str, tuple[dict[str, Operations], dict[str, str]]] = {
    "one application that only reads what starts": ({"Billing Service": plain("", "A", "B")}, {"A": "A>B"}),
    "two applications": ({"Orders": plain("", "", "A"), "Billing Service": plain("", "A", "B")}, {"A": "A>B"}),
    "a circle that somebody starts": (
        {"Shop": [*plain("begin", "", "A"), *plain("x", "A", "B"), *plain("y", "B", "A")]}, {"A": "A>B"},
    ),
    "a circle that somebody starts late in the alphabet": (
        {"Shop": [*plain("begin", "", "Z"), *plain("x", "Z", "B"), *plain("y", "B", "Z")]}, {"Z": "Z>B"},
    ),
    "a circle whose beginning a stray sender doesn't hide": (
        {"Shop": [
            *plain("orders", ["PaymentCompleted"], ["OrderPlaced"]),  # type: ignore[arg-type]
            *plain("payment", ["OrderPlaced"], ["PaymentCompleted"]),  # type: ignore[arg-type]
            *plain("legacy-till", "", ["PaymentCompleted"]),  # type: ignore[arg-type]
        ]},
        {"OrderPlaced": "OrderPlaced>PaymentCompleted"},
    ),
    "a circle that two start, and no name tells": (
        {"Shop": [*plain("web", "", "Z"), *plain("app", "", "Z"), *plain("x", "Z", "B"), *plain("y", "B", "A"), *plain("w", "A", "B")]},
        {"Z": "Z>B B>A"},
    ),
    "a circle that begins by its name": (
        {"Shop": [*plain("x", ["OrderPlaced"], "B"), *plain("y", "B", ["OrderPlaced"])]},  # type: ignore[arg-type]
        {"OrderPlaced": "OrderPlaced>B"},
    ),
    "a circle that nobody starts": ({"Shop": [*plain("x", "A", "B"), *plain("y", "B", "A")]}, {"A": "A>B"}),
    "a circle later on": (
        {"Shop": [*plain("begin", "", "A"), *plain("x", "A", "B"), *plain("y", "B", "C"), *plain("z", "C", "B")]},
        {"A": "A>B B>C"},
    ),
    "a circle beside a flow": (
        {"Shop": [*plain("u", "S", "T"), *plain("x", "A", "B"), *plain("y", "B", "A")]}, {"A": "A>B", "S": "S>T"},
    ),
    "two that begin": ({"Shop": plain("x", "AB", "C")}, {"A": "A>C", "B": "B>C"}),
    "a service that reads its own": ({"Shop": plain("x", "A", "AB")}, {"A": "A>B"}),
    "nothing follows": ({"Shop": plain("x", "", "A") + plain("y", "A", "")}, {}),
    "a reply": ({"Shop": [("asking", "send", "A", ""), ("x", "receive", "A", "B")]}, {"A": "A>B"}),
    "a reply as both sides say it": (
        {"Asking": [("", "send", "A", "B")], "Answering": [("", "receive", "A", "B")]}, {"A": "A>B"},
    ),
    "what follows from a reply": (
        {"Asking": [("", "receive", "S", ""), ("", "send", "A", "B"), ("", "send", "C", "")], "X": [("", "receive", "A", "B")]},
        {"S": "S>A S>C A>B"},
    ),
    "a reply follows from its request alone": (
        {"Shop": [("x", "receive", "A", "B"), ("x", "receive", "C", ""), ("x", "send", "D", "")]}, {"A": "A>B A>D", "C": "C>D"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_leads_to_what(name: str, tmp_path: Path) -> None:
    documents, expected = CASES[name]
    flows = drafted_flows([document(tmp_path, title, said) for title, said in documents.items()])
    assert {
        flow.starts: " ".join(f"{step.because[0]}>{step.done}" for step in flow.steps) for flow in flows
    } == expected
    if flows:
        assert len(parse_flows(draft_text(flows)).by_name) == len(flows)


def test_a_reply_is_an_operation_of_its_own(tmp_path: Path) -> None:
    found = document(tmp_path, "Shop", [("asking", "send", "A", "B"), ("x", "receive", "A", "B")]).operations
    assert [(item.service, item.sends, item.address, set(item.answers)) for item in found] == [
        ("asking", True, "A", set()), ("asking", False, "B", {"A"}), ("x", False, "A", set()), ("x", True, "B", {"A"}),
    ]  # fmt: skip


def test_a_reply_to_wherever_the_request_says_is_no_operation(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(
        "asyncapi: 3.0.0\ninfo: {title: Shop, version: '1'}\nchannels: {a: {address: a, messages: {A: {}}}}\n"
        "operations: {o: {action: receive, channel: {$ref: '#/channels/a'}, reply: {address: {location: '$message.header#/to'}}}}\n"
    )
    assert len(declared_in(file).operations) == 1


def test_a_thousand_types_are_soon_put_in_order(tmp_path: Path) -> None:
    names = [f"T{number:04}" for number in range(1000)]
    operations = [each for one, other in zip(names, [*names[1:], names[0]], strict=True)
                  for each in ((f"s{one}", "receive", one, ""), (f"s{one}", "send", other, ""))]  # fmt: skip
    (flow,) = drafted_flows([document(tmp_path, "Shop", operations)])
    assert (flow.starts, len(flow.steps)) == ("T0000", 100)
