"""A name that is nearly a keyword of JSON Schema is refused; annotations stay."""

from __future__ import annotations

from typing import Any

import pytest

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts.json_schema._dialects import check, dialect_of

DRAFTS = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
]
MISSPELT = {
    "minimun": "minimum", "requried": "required", "propertes": "properties", "maxLenght": "maxLength", "item": "items",
    "types": "type", "patern": "pattern", "multipleof": "multipleOf", "additional_properties": "additionalProperties",
    "minlength": "minLength", "uniqueItem": "uniqueItems", "enums": "enum",
}  # fmt: skip
ANNOTATIONS = [
    "title", "description", "default", "example", "examples", "deprecated", "nullable", "unit", "name", "owner", "id_",
    "discriminator", "x-minimun", "x-required", "$comment", "definitions", "readOnly", "pii", "javaType", "tsType",
    "itemType", "version", "connect.name", "connect.type", "propertyOrder", "markdownDescription", "errorMessage",
]  # fmt: skip


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("place", ["", "properties/a", "items"])
def test_each_misspelt_keyword_is_refused_with_the_right_one(draft: str, place: str) -> None:
    for wrong, right in MISSPELT.items():
        part: dict[str, Any] = {wrong: 1}
        schema = {"": part, "properties/a": {"properties": {"a": part}}, "items": {"items": part}}[place]
        with pytest.raises(SchemaError, match=rf"^{wrong} at .* did you mean {right}\?") as caught:
            check({"$schema": draft, **schema})
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("draft", DRAFTS)
def test_no_keyword_and_no_annotation_is_taken_for_another(draft: str) -> None:
    known = dialect_of({"$schema": draft}).VALIDATORS
    for name in ANNOTATIONS:
        value: Any = {} if name in ("definitions", "discriminator") else [] if name == "examples" else "x"
        value = True if name in ("deprecated", "nullable", "readOnly") else value
        check({"$schema": draft, name: value})
    assert "minimum" in known


@pytest.mark.parametrize("draft", DRAFTS)
def test_fields_may_be_called_as_they_like(draft: str) -> None:
    fields = {wrong: {"type": "string"} for wrong in MISSPELT}
    check(
        {
            "$schema": draft,
            "properties": fields,
            "required": list(MISSPELT),
            "enum": [dict.fromkeys(MISSPELT, 1)],
        }
    )
