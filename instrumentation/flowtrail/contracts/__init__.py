"""Contracts of events: JSON Schemas by type and version, strict when publishing, tolerant when reading."""

from flowtrail.contracts._compare import Change, compare
from flowtrail.contracts._contracts import Contracts, Deprecation
from flowtrail.contracts._guard import Guard
from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts._source import ContractNotFoundError, RegistryUnavailableError, SchemaError, Source
from flowtrail.contracts._tree import Finding, compare_sources
from flowtrail.contracts.folder import FolderSource

__all__ = [
    "Change",
    "ContractNotFoundError",
    "Contracts",
    "Deprecation",
    "Finding",
    "FolderSource",
    "Guard",
    "RegistrySource",
    "RegistryUnavailableError",
    "SchemaError",
    "Source",
    "compare",
    "compare_sources",
]
