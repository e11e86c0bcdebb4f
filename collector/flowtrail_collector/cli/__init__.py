"""The `flowtrail` command."""

from __future__ import annotations

from flowtrail_collector.cli._main import main

__all__ = ["main"]
