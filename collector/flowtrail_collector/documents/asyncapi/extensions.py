"""Extensions by which documents say what AsyncAPI has no word for."""

from __future__ import annotations

import re

__all__ = ["QUEUES", "SERVICE", "TYPE", "VERSION", "VERSION_IN_NAME"]

QUEUES = "x-flowtrail-queues"
"""Of an operation's AMQP binding: the queues that are read."""
SERVICE = "x-flowtrail-service"
"""Of an operation: the service that sends or receives. AsyncAPI has one document an application."""
TYPE = "x-flowtrail-type"
"""Of a message: its type, where its name would be read as a type and a version."""
VERSION = "x-flowtrail-version"
"""Of a message: the version of its contract; null if its events name none."""
VERSION_IN_NAME = re.compile(r"(?:[._-]v|/|(?<=[a-z])V)(\d{1,9})$")
"""The version in a message's name, where nothing else says it."""
