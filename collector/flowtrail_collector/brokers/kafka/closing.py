"""Closing a client without waiting for ever."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from threading import Thread
from typing import Protocol

__all__ = ["close"]

logger = logging.getLogger(__name__)


class _Closable(Protocol):
    def close(self) -> object: ...


def close(client: _Closable, seconds: float = 10.0) -> None:
    """Close a consumer, and wait that long for it.

    librdkafka may wait for ever for the thread of a broker that went away and came back
    (https://github.com/confluentinc/librdkafka/issues/4674). Such a consumer is left to a thread that ends with the
    process.
    """
    closed: Future[object] = Future()

    def run() -> None:
        try:
            closed.set_result(client.close())
        except Exception as error:  # noqa: BLE001 - handed to who waits
            closed.set_exception(error)

    Thread(target=run, name="flowtrail-close", daemon=True).start()
    try:
        closed.result(seconds)
    except TimeoutError:
        logger.warning("a Kafka client hasn't closed within %g s and is left behind", seconds)
