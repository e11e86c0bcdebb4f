"""Extensions by which documents say what AsyncAPI has no word for."""

from __future__ import annotations

__all__ = ["QUEUES", "SERVICE", "VERSION"]

QUEUES = "x-flowtrail-queues"
"""Of an operation's AMQP binding: the queues that are read."""
SERVICE = "x-flowtrail-service"
"""Of an operation: the service that sends or receives. AsyncAPI has one document an application."""
VERSION = "x-flowtrail-version"
"""Of a message: the version of its contract."""
