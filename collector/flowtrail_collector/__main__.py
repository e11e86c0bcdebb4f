"""`python -m flowtrail_collector`: the `flowtrail` command."""

from __future__ import annotations

from flowtrail_collector.cli import program

if __name__ == "__main__":
    program()
