"""What a migration is."""

from __future__ import annotations

from collections.abc import Callable

from flowtrail_collector.store.sql import Connection

__all__ = ["Step"]

Step = str | Callable[[Connection], None]
"""Statements, with semicolons between them; or what changes what is kept."""
