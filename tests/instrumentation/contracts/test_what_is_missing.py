"""A contract that lacks something says what to add."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtrail.contracts import FolderSource, SchemaError

_RECORD = '{"type": "record", "name": "A", "fields": [%s]}'
MISSING = {
    "A/1.proto": {
        "message A { string a = 1; }": 'write syntax = "proto3"; into the first line',
        "package x;\nmessage A {\n  optional string b = 1;\n  string a = 2;\n}": 'write syntax = "proto3"; into',
    },
    "A/1.avsc": {
        '{"type": "record", "fields": []}': "(root): a record needs a name",
        '{"type": "enum", "symbols": ["X"]}': "(root): an enum needs a name",
        '{"type": "fixed", "size": 3}': "(root): a fixed needs a name",
        _RECORD % '{"name": "b", "type": {"type": "record", "fields": []}}': "b: a record needs a name",
        _RECORD % '{"type": "string"}': "(root): a field needs a name",
        _RECORD % "5": "(root): None is not a valid field name",
        '{"type": "record", "name": 5, "fields": []}': "(root): 5 is not a valid type name",
    },
    "b/OrderPlaced.json": {"{}": "named by its version, e.g. OrderPlaced/1.json"},
    "b/OrderPlaced.avsc": {"{}": "named by its version, e.g. OrderPlaced/1.avsc"},
    "OrderPlaced/v2.json": {"{}": "named by its version, e.g. 2.json"},
    "OrderPlaced/01.proto": {"{}": "named by its version, e.g. 1.proto"},
    "OrderPlaced/0.json": {"{}": "named by its version, e.g. 1.json"},
}


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [(file, text, says) for file, texts in MISSING.items() for text, says in texts.items()],
)
def test_what_to_add_is_said(tmp_path: Path, file: str, text: str, says: str) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as raised:
        FolderSource(tmp_path)
    assert says in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / file))


def test_a_proto2_file_that_says_so_is_told_of_labels_alone(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "1.proto").write_text('syntax = "proto2"; message A { string a = 1; }')
    with pytest.raises(SchemaError) as raised:
        FolderSource(tmp_path)
    assert str(raised.value).endswith("is optional, required or repeated")
