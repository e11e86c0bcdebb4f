"""Extensions by which documents say what AsyncAPI has no word for."""

from __future__ import annotations

__all__ = ["SERVICE", "VERSION"]

SERVICE = "x-flowtrail-service"
"""Of an operation: the service that sends or receives. AsyncAPI has one document an application."""
VERSION = "x-flowtrail-version"
"""Of a message: the version of its contract."""
