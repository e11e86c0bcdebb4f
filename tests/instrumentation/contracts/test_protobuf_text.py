"""Our reader of .proto files makes what protoc makes, of every file that Google's packages bring along."""

from importlib import import_module, metadata
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from flowtrail.contracts.protobuf._pool import Pool

FILES = {
    str(file): file
    for name in ("googleapis-common-protos",)
    for file in metadata.files(name) or ()
    if file.suffix == ".proto" and not str(file).startswith(("google/logging", "google/cloud"))
}
# What contracts don't look at: services, extensions, options beyond these.
_KEPT = ("deprecated", "map_entry", "packed", "allow_alias")


def bare(message: Any) -> Any:
    """A descriptor with what contracts know of, as both should have it."""
    for part, value in list(message.ListFields()):
        if part.name in ("service", "extension", "source_code_info"):
            message.ClearField(part.name)
        elif part.name == "options":
            known = {
                name: getattr(value, name) for name in _KEPT if hasattr(value, name) and value.HasField(name)
            }
            message.ClearField("options")
            for name, kept in known.items():
                setattr(message.options, name, kept)
        elif part.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                bare(inner)
    return message


@pytest.mark.parametrize("path", FILES)
def test_a_file_reads_as_protoc_reads_it(path: str) -> None:
    compiled, read = FileDescriptorProto(), FileDescriptorProto()
    import_module(path.removesuffix(".proto").replace("/", ".") + "_pb2").DESCRIPTOR.CopyToProto(compiled)
    Pool(path, FILES[path].read_text("utf-8"), {}).file.CopyToProto(read)
    read.name = compiled.name
    assert bare(read) == bare(compiled)


def test_there_are_some() -> None:
    assert len(FILES) > 40


ESCAPES = {
    r"\x1": b"\x01", r"\x1g": b"\x01g", r"\X1F2": b"\x1f2", r"\xff": b"\xff", r"\1": b"\x01", r"\1779": b"\x7f9",
    r"\0001": b"\x001", r"\377": b"\xff", r"\a\b\f\n\r\t\v": b"\a\b\f\n\r\t\v", r"\\n\'\"\?": b"\\n'\"?",
    r"\u00e9x": "\u00e9x".encode(), r"\U0001F600": "\U0001f600".encode(), r'\x1" "\x2': b"\x01\x02",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["bytes", "string"])
@pytest.mark.parametrize("text", ESCAPES)
def test_an_escape_is_what_protoc_makes_of_it(text: str, kind: str) -> None:
    value = ESCAPES[text]
    if kind == "string" and value == b"\xff":
        pytest.skip("no text in UTF-8")
    field = f'syntax = "proto2"; message A {{ optional {kind} x = 1 [default = "{text}"]; }}'
    (descriptor,) = Pool("A/1", field, {}).file.message_types_by_name.values()
    found = descriptor.fields_by_name["x"].default_value
    assert (found if kind == "bytes" else found.encode()) == value
