"""`python -m flowtrail_collector`: the `flowtrail` command."""

from __future__ import annotations

import sys

from flowtrail_collector.cli import main

if __name__ == "__main__":
    sys.exit(main())
