"""Contracts of events: schemas by type and version, strict when publishing, tolerant when reading."""

from flowtrail.contracts._change import Change
from flowtrail.contracts._comparing import compare, compare_in_place
from flowtrail.contracts._contracts import Contracts
from flowtrail.contracts._deprecations import Deprecation
from flowtrail.contracts._errors import (
    ContractNotFoundError,
    NotARegistryError,
    RegistryUnavailableError,
    SchemaError,
)
from flowtrail.contracts._format import Definition, Format
from flowtrail.contracts._formats import registered
from flowtrail.contracts._guard import Guard
from flowtrail.contracts._payloads import Packed, Unpacked
from flowtrail.contracts._readers import BrokenReader, Reader, broken_readers, meetings, replaced
from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts._source import Source
from flowtrail.contracts._tree import Finding, compare_sources
from flowtrail.contracts.folder import FolderSource
from flowtrail.contracts.protobuf import message_shape

__all__ = [
    "BrokenReader",
    "Change",
    "ContractNotFoundError",
    "Contracts",
    "Definition",
    "Deprecation",
    "Finding",
    "FolderSource",
    "Format",
    "Guard",
    "NotARegistryError",
    "Packed",
    "Reader",
    "RegistrySource",
    "RegistryUnavailableError",
    "SchemaError",
    "Source",
    "Unpacked",
    "broken_readers",
    "compare",
    "compare_in_place",
    "compare_sources",
    "meetings",
    "message_shape",
    "registered",
    "replaced",
]
