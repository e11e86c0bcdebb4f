"""What can go wrong in the collector, as one tree.

```
CollectorError                    exit code 2
├── ConfigurationError            2   a setting, a flow file, a pattern: something the caller can correct
│   └── CountedOtherwiseError     2   more would be done than was counted
├── ListenError                   2   the address is taken or may not be used
├── StoreError                    2   the store can't be opened, read or written
│   ├── FencedError               2   another worker has moved a position this one held
│   ├── OtherClusterError         2   the store belongs to another cluster than the one that answers
│   └── StoreConflictError        2   two workers were in each other's way; trying again may help
└── ServiceUnreachableError       3   Kafka or a collector doesn't answer
```

The message of each is one line that says what is wrong and, where it can, what to do about it.
"""

from __future__ import annotations


class CollectorError(Exception):
    """Root of the collector's own errors."""

    exit_code = 2


class ConfigurationError(CollectorError):
    """A setting is missing or wrong."""


class CountedOtherwiseError(ConfigurationError):
    """More would be done than somebody has counted and agreed to: nothing was done."""


class ListenError(CollectorError):
    """The web address can't be listened on."""


class StoreError(CollectorError):
    """The store can't be opened, read or written."""


class FencedError(StoreError):
    """A stored position isn't the one this worker began with: somebody else has moved it."""


class OtherClusterError(StoreError):
    """The store belongs to another cluster: its offsets and figures say nothing about this one.

    Attributes:
        known: The cluster it belongs to.
        cluster: The one that answers.
    """

    def __init__(self, store: str, known: str, cluster: str) -> None:
        super().__init__(
            f"the store {store} belongs to Kafka cluster {known}, and this is {cluster}: name another store with"
            " --store, or brokers of that cluster with --bootstrap-servers"
        )
        self.known = known
        self.cluster = cluster


class StoreConflictError(StoreError):
    """Another worker wrote the same at the same time: nothing was changed, and trying again may help."""


class ServiceUnreachableError(CollectorError):
    """A service that is needed doesn't answer."""

    exit_code = 3
