"""What can go wrong where contracts come from."""

from __future__ import annotations

from flowtrail.errors import ConfigurationError, ContractError, FlowtrailError


class ContractNotFoundError(ContractError):
    """An event names a version that its type doesn't have, or none at all."""


class SchemaError(ConfigurationError):
    """A contract's own schema can't be used: it doesn't parse, or refers to elsewhere."""


class RegistryUnavailableError(FlowtrailError):
    """The schema registry doesn't answer, and the schema asked for isn't cached. Trying again may help."""


class NotARegistryError(RegistryUnavailableError):
    """Something else answers at the registry's address: the path is wrong, or the whole address."""
