"""The `flowtrail` command."""

from __future__ import annotations

from flowtrail_collector.cli._main import main, program

__all__ = ["main", "program"]
