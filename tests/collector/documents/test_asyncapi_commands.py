"""`flowtrail asyncapi check` and `flows learn --asyncapi`, asked of a collector that has read the shop's events."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from documentkit import FLOWS, write_contracts
from flowtrail_collector.cli import _app
from flowtrail_collector.sagas.flow_file import parse_flows

pytestmark = pytest.mark.slow


def asked(*arguments):
    done = CliRunner().invoke(_app.cli, [str(argument) for argument in arguments], standalone_mode=False)
    code = done.return_value if done.exception is None else getattr(done.exception, "exit_code", None)
    return code, done.stdout, str(done.exception or "") + done.stderr


@pytest.fixture
def shop(shop_url, tmp_path):
    """An exported document, and the folder of its contracts."""
    contracts = write_contracts(tmp_path / "contracts")
    file = tmp_path / "shop.yaml"
    assert asked("asyncapi", "export", "--url", shop_url, "--contracts", contracts, "--output", file)[0] == 0
    return file, contracts


def drifted(file):
    """The document, with a line changed that many findings come from."""
    text = file.read_text().replace("scale: 2", "scale: 4")
    file.write_text(text)
    return text[: text.index("scale: 4")].count("\n") + 1


def test_what_flows_is_what_it_says(shop_url, shop):
    file, contracts = shop
    code, out, _ = asked("asyncapi", "check", file, "--url", shop_url, "--contracts", contracts)
    assert (code, out) == (0, "the document matches what flows\n")


def test_findings_are_lines_json_and_annotations(shop_url, shop):
    file, contracts = shop
    near = drifted(file)
    command = ("asyncapi", "check", file, "--url", shop_url, "--contracts", contracts)
    code, out, _ = asked(*command)
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith(f"{file}:")
    assert ": schema-drift: StockReserved 1: total: " in lines[0]
    assert lines[1:] == ["1 finding"]
    code, out, _ = asked(*command, "--json")
    (found,) = json.loads(out)["findings"]
    assert code == 1
    assert (found["kind"], found["field"], found["type"]) == ("schema-drift", "total", "StockReserved")
    assert 0 < near - found["line"] < 20
    code, out, _ = asked(*command, "--github")
    assert (code, out.count("\n")) == (1, 1)
    assert out.startswith(
        f"::error file={file},line={found['line']},title=schema drift::StockReserved 1: total: "
    )


def test_annotations_keep_to_their_line(shop_url, tmp_path):
    file = tmp_path / "a,b%.yaml"
    file.write_text(
        "asyncapi: 3.0.0\ninfo: {title: billing}\nchannels:\n  x:\n    messages: {'A%0A\\n': {}}\n"
    )
    code, out, _ = asked("asyncapi", "check", file, "--url", shop_url, "--github", "--service", "billing")
    assert code == 1
    for line in out.splitlines():
        assert line.startswith("::error file=")
        assert "a%2Cb%25.yaml,line=" in line
        assert "A%0A" not in line.replace("A%250A", "")


def test_without_contracts_it_says_that_schemas_were_not_compared(shop_url, shop):
    drifted(shop[0])
    code, _, err = asked("asyncapi", "check", shop[0], "--url", shop_url)
    assert code == 0
    assert "note: schemas weren't compared" in err


def test_documents_that_cannot_be_used(shop_url, tmp_path):
    file = tmp_path / "old.yaml"
    for text, words in (
        ("asyncapi: 2.6.0", "npx @asyncapi/cli convert"),
        ("asyncapi: 3.0.0\ninfo: {title: ?}", "neither YAML nor JSON"),
        (
            "asyncapi: 3.0.0\ninfo: {title: Money}\nchannels: {a: {}}\n"
            "operations: {b: {action: send, channel: {$ref: '#/channels/a'}}}",
            "use --service to say which service it describes; known services: billing, ",
        ),
    ):
        file.write_text(text)
        code, out, err = asked("asyncapi", "check", file, "--url", shop_url)
        assert (code, out) == (2, "")
        assert words in err


def test_a_service_that_nobody_knows_is_no_match(shop_url, shop):
    code, out, err = asked("asyncapi", "check", shop[0], "--url", shop_url, "--service", "bilingg")
    assert (code, out) == (2, "")
    assert (
        "neither the document nor the collector knows a service 'bilingg'; known services: billing, " in err
    )


def test_a_collector_that_does_not_answer(tmp_path, shop):
    code, _, err = asked("asyncapi", "check", shop[0], "--url", "http://127.0.0.1:9")
    assert (code, "no collector answers" in err) == (3, True)


def test_a_flow_drafted_from_the_document_is_the_flow(shop):
    code, out, _ = asked("flows", "learn", "--asyncapi", shop[0])
    assert code == 0
    (drafted,) = parse_flows(out).by_name.values()
    written = parse_flows(FLOWS).by_name["order-fulfilment"]
    assert (drafted.starts, drafted.completes) == (written.starts, written.completes)
    assert [(step.done, step.by) for step in drafted.steps] == [
        (step.done, step.by) for step in written.steps
    ]


def test_documents_of_single_services_are_put_together(tmp_path):
    files = []
    services = {
        "Orders": (["payments/PaymentCompleted", "payments/PaymentFailed"], ["orders/OrderPlaced", "orders/OrderConfirmed", "orders/OrderCancelled"]),
        "Billing API": (["orders/OrderPlaced"], ["payments/PaymentCompleted", "payments/PaymentFailed", "payments/PaymentRefunded"]),
        "Fulfillment Service": (["orders/OrderConfirmed"], ["shipments/OrderShipped"]),
    }  # fmt: skip
    for title, (reads, sends) in services.items():
        channels: dict[str, dict[str, object]] = {}
        operations = {}
        for action, places in (("receive", reads), ("send", sends)):
            for place in places:
                topic, type = place.split("/")
                channel = channels.setdefault(topic, {"address": topic, "messages": {}})
                channel["messages"][type] = {"name": type}  # type: ignore[index]
                operations[f"{action}{type}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic}"},
                    "messages": [{"$ref": f"#/channels/{topic}/messages/{type}"}],
                }
        file = tmp_path / f"{title}.json"
        document = {
            "asyncapi": "3.0.0",
            "info": {"title": title},
            "channels": channels,
            "operations": operations,
        }
        file.write_text(json.dumps(document))
        files += ["--asyncapi", file]
    code, out, _ = asked("flows", "learn", *files)
    assert code == 0
    (drafted,) = parse_flows(out).by_name.values()
    assert drafted.starts == ("OrderPlaced",)
    assert [(step.done, step.failed, step.by) for step in drafted.steps] == [
        (("PaymentCompleted",), ("PaymentFailed",), "billing"),
        (("OrderConfirmed",), (), "orders"),
        (("OrderShipped",), (), "fulfillment"),
    ]
    assert (drafted.completes, drafted.cancels) == (("OrderShipped",), ("OrderCancelled",))


def test_a_document_without_flows(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("asyncapi: 3.0.0\ninfo: {title: x}\n")
    code, out, _ = asked("flows", "learn", "--asyncapi", file)
    assert (code, "No flow could be found" in out) == (1, True)
