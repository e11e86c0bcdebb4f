"""Logging is after each test what it was before it."""

import logging
from collections.abc import Iterator

import pytest


class Logs:
    """Takes away the handlers that a test leaves on the root logger.

    A command that is run within this process sets up logging to the standard error of that moment, which pytest
    closes after the test. Whatever logged later, up to the very end, failed with "I/O operation on closed file".
    """

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        root = logging.getLogger()
        level, handlers = root.level, list(root.handlers)
        try:
            return (yield)
        finally:
            root.setLevel(level)
            for handler in set(root.handlers).difference(handlers):
                root.removeHandler(handler)
                handler.close()
            for handler in handlers:
                root.addHandler(handler)  # it does nothing if the handler is there
