"""Campaigns: a service added later that asks Customer Management by command, and is answered by a reply.

`flows.yaml` beside it says what its flow goes through.
"""

from orderflow.campaigns.service import build

__all__ = ["build"]
