"""Files of documents: references within and beside are followed, nothing else is ever read, nothing hangs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.files import MAX_BYTES, Files
from flowtrail_collector.documents.asyncapi.mistakes import DocumentError

HEAD = "asyncapi: 3.0.0\ninfo: {title: Shop, version: 1.0.0}\n"


def document(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def channel(message: str) -> str:
    return f"{HEAD}channels:\n  orders:\n    messages:\n      OrderPlaced:\n        {message}\n"


def payload_of(path: Path):
    (message,) = declared_in(path).channels[0].messages
    return None if message.payload is None else message.payload.schema


WRONG = {
    "not YAML": ("a: [", 1, "neither YAML nor JSON"),
    "a list": ("- a", 1, "isn't an AsyncAPI document"),
    "nothing": ("", 1, "isn't an AsyncAPI document"),
    "a number": ("17", 1, "isn't an AsyncAPI document"),
    "no version": ("info: {}", 1, "`asyncapi: 3.0.0` is missing"),
    "AsyncAPI 2": ("info: {}\nasyncapi: 2.6.0", 2, "convert it with `npx @asyncapi/cli convert"),
    "AsyncAPI 2.0": ("asyncapi: '2.0.0'", 1, "AsyncAPI 2.0.0 isn't read"),
    "AsyncAPI 4": ("asyncapi: 4.0.0", 1, "versions 3.x are read"),
    "OpenAPI": ("openapi: 3.1.0", 1, "`asyncapi: 3.0.0` is missing"),
    "an action": (f"{HEAD}operations:\n  a:\n    action: publish", 4, "action is `send` or `receive`"),
    "no channel": (f"{HEAD}operations:\n  a:\n    action: send", 4, "its channel is none of `channels`"),
    "an address": (channel("payload: {$ref: 'https://schemas.example/a.json'}"), 7, "isn't fetched"),
    "a scheme of files": (channel("payload: {$ref: 'file:///etc/passwd'}"), 7, "isn't fetched"),
    "an absolute path": (channel("payload: {$ref: '/etc/passwd'}"), 7, "isn't fetched"),
    "out of the folder": (channel("payload: {$ref: '../other.yaml#/a'}"), 7, "outside of the document's folder"),
    "out of it, hidden": (channel("payload: {$ref: 'a/%2e%2e/../../other.yaml'}"), 7, "outside of the"),
    "no such file": (channel("payload: {$ref: 'none.yaml'}"), 7, "can't read none.yaml"),
    "no such place": (channel("payload: {$ref: '#/components/none'}"), 7, "leads nowhere"),
    "a circle": (channel("$ref: '#/channels/orders/messages/OrderPlaced'"), 6, "around in a circle"),
    "a circle within": (
        channel("payload: {properties: {a: {$ref: '#/channels/orders/messages/OrderPlaced/payload/properties/a'}}}"),
        7, "around in a circle",
    ),
    "a deep one": (channel("payload: " + "{items: " * 900 + "{}" + "}" * 900), 1, "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path, name):
    text, line, words = WRONG[name]
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "other.yaml").write_text("a: secret")
    with pytest.raises(DocumentError) as caught:
        declared_in(document(folder, text))
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert "secret" not in message
    place = caught.value.place
    assert Path(place.file).name in ("shop.yaml", "other.yaml")
    if name not in ("a deep one", "a circle within"):
        assert place.line == line


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "other.yaml").write_text("a: secret")
    (folder / "link.yaml").symlink_to(tmp_path / "other.yaml")
    with pytest.raises(DocumentError, match="outside of the document's folder"):
        declared_in(document(folder, channel("payload: {$ref: 'link.yaml#/a'}")))


@pytest.mark.slow
@pytest.mark.parametrize("held", ["*a11", "{enum: *a11}", "{x-note: *a11}"])
def test_aliases_that_multiply_end_with_a_line(tmp_path, held):
    bomb = "a0: &a0 {k: v}\n" + "".join(
        f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(10))}]\n" for n in range(1, 12)
    )
    with pytest.raises(DocumentError, match="more than 100,000 values"):
        declared_in(
            document(tmp_path, channel("payload: {items: {$ref: '#/held'}}") + bomb + f"held: {held}\n")
        )


def test_too_large_and_not_text(tmp_path):
    with pytest.raises(DocumentError, match="larger than 2,000,000 bytes"):
        declared_in(document(tmp_path, HEAD + "#" * MAX_BYTES))
    (tmp_path / "shop.yaml").write_bytes(b"asyncapi: \xff\xfe")
    with pytest.raises(DocumentError, match="isn't UTF-8"):
        declared_in(tmp_path / "shop.yaml")
    with pytest.raises(DocumentError, match="it is a folder"):
        declared_in(tmp_path)


def test_references_within_and_beside_across_folders(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.json").write_text(
        '{\t"type": "object", "properties": {"m": {"$ref": "money.yaml#/a~1b"}}}'
    )
    (tmp_path / "schemas" / "money.yaml").write_text("a/b: {$ref: '../shop.yaml#/components/schemas/Cents'}")
    text = (
        channel("payload: {$ref: 'schemas/order.json'}") + "components: {schemas: {Cents: {type: integer}}}\n"
    )
    assert payload_of(document(tmp_path, text)) == {
        "type": "object", "properties": {"m": {"type": "integer"}},
    }  # fmt: skip


@pytest.mark.parametrize("file", ["order.proto", "order.avsc"])
def test_schemas_in_files_of_their_own(tmp_path, file):
    texts = {"order.proto": 'syntax = "proto3";\nmessage O {}\n', "order.avsc": '{"type": "string"}'}
    (tmp_path / file).write_text(texts[file])
    text = channel(f"payload: {{schemaFormat: application/x, schema: {{$ref: {file}}}}}")
    expected = texts[file] if file.endswith(".proto") else json.loads(texts[file])
    assert payload_of(document(tmp_path, text)) == expected


def test_a_schema_that_holds_itself_is_finite(tmp_path):
    text = channel("payload: {$ref: '#/components/schemas/Tree'}") + (
        "components:\n  schemas:\n    Tree: {properties: {left: {$ref: '#/components/schemas/Tree'}, n: {type: integer}}}\n"
    )
    found = payload_of(document(tmp_path, text))
    (name,) = found["$defs"]
    tree = {"properties": {"left": {"$ref": f"#/$defs/{name}"}, "n": {"type": "integer"}}}
    assert found == {**tree, "$defs": {name: tree}}


@pytest.mark.slow
def test_a_file_that_refers_to_very_many(tmp_path):
    refs = []
    for number in range(150):
        (tmp_path / f"f{number}.yaml").write_text("{type: string}")
        refs.append(f"p{number}: {{$ref: f{number}.yaml}}")
    with pytest.raises(DocumentError, match="more than 100 files"):
        declared_in(document(tmp_path, channel(f"payload: {{properties: {{{', '.join(refs)}}}}}")))


@pytest.mark.parametrize(
    ("message", "type", "version"),
    [
        ("name: OrderPlaced", "OrderPlaced", None),
        ("name: OrderPlaced.v2", "OrderPlaced", "2"),
        ("name: OrderPlaced/2", "OrderPlaced", "2"),
        ("name: OrderPlacedV12", "OrderPlaced", "12"),
        ("name: com.shop.order-placed-v2", "com.shop.order-placed", "2"),
        ("name: TopV8Engines", "TopV8Engines", None),
        (
            "name: x\n        headers: {properties: {ce_type: {const: A}, ce_dataschema: {const: A/3}}}",
            "A",
            "3",
        ),
        ("name: x\n        headers: {allOf: [{properties: {ce_type: {enum: [B]}}}]}", "B", None),
        ("name: x\n        x-flowtrail-version: 7", "x", "7"),
    ],
)
def test_type_and_version_of_a_message(tmp_path, message, type, version):
    (found,) = declared_in(document(tmp_path, channel(message))).channels[0].messages
    assert (found.type, found.version) == (type, version)


def test_lines_are_those_of_the_file(tmp_path):
    files = Files(document(tmp_path, channel("payload: {a: 1}")))
    message = files.root.of("channels").of("orders").of("messages").of("OrderPlaced")
    assert files.place(message).line == 6
