"""Events and state in one transaction: the outbox publishes once, the inbox handles once."""

from flowtrail.outbox._inbox import Inbox
from flowtrail.outbox._outbox import Outbox

__all__ = ["Inbox", "Outbox"]
