"""A shop's events, in all formats of contracts and on both brokers, for tests of documents about them."""

from documentkit._judged import linted, parsed
from documentkit._shop import CONTRACTS, FLOWS, RECORDS, Record, flowing, landscape, write_contracts

__all__ = ["CONTRACTS", "FLOWS", "RECORDS", "Record", "flowing", "landscape", "linted", "parsed",
           "write_contracts"]  # fmt: skip
