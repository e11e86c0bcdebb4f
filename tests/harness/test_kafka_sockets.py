"""What kafka-python leaves while it connects warns of nothing; a connection that nobody closes does."""

import asyncio
import gc
import socket
import warnings
from typing import Any

import kafka.net.inet
import pytest


class Net:
    """The loop that a connection waits in."""

    async def wait_write(self, _sock: socket.socket, timeout_at: float | None = None) -> None:
        await asyncio.sleep(0)


def _begin(listener: socket.socket) -> Any:
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname())
    return kafka.net.inet.KafkaNetSocket().connect(Net(), address)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, None], ids=["connecting", "connected"])
def test_only_a_connection_is_missed(steps: int | None) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        warnings.catch_warnings(record=True) as unclosed,
    ):
        warnings.simplefilter("always", ResourceWarning)
        connecting = _begin(listener)
        if steps is None:
            asyncio.run(connecting)
        else:
            connecting.send(None)
        del connecting
        gc.collect()
    assert len(unclosed) == (steps is None)
