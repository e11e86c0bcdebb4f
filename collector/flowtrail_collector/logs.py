"""What the collector writes to standard error, and how."""

from __future__ import annotations

import logging

__all__ = ["audit_logger", "write_logs"]

audit_logger = logging.getLogger("flowtrail_collector.audit")
"""Who wrote, looked at a payload or logged in, and who was refused."""


def write_logs(level: int) -> None:
    """Write what is logged from now on.

    Args:
        level: The lowest that is written, as `logging` numbers them. The audit is written at any: one that is off
            until somebody asks for it isn't there when it is needed.
    """
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    audit_logger.setLevel(logging.INFO)
