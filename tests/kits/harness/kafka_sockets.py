"""kafka-python 3.0 leaves a socket whose connecting failed, or wasn't finished, to the garbage collector.

The warning about it would fail whatever test runs then. A connection that was made and not closed still warns.
"""

import socket
import warnings
from typing import Any

with warnings.catch_warnings():
    # It reads its message definitions through a function that Python 3.11 and 3.12 deprecate.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.net.inet import KafkaNetSocket

_connect = KafkaNetSocket.connect


class _Socket(socket.socket):
    connected = False

    def __del__(self) -> None:
        if not self.connected:
            self.close()
        super().__del__()  # type: ignore[misc] # the stubs don't know it


def _make(_self: KafkaNetSocket, *arguments: Any) -> _Socket:
    return _Socket(*arguments)


async def _connect_and_say(self: KafkaNetSocket, *arguments: Any, **options: Any) -> socket.socket:
    made: socket.socket = await _connect(self, *arguments, **options)
    if isinstance(made, _Socket):
        made.connected = True
    return made


def close_what_never_connected() -> None:
    """Have kafka-python's sockets closed with no warning as long as nothing was connected through them."""
    KafkaNetSocket.socket = _make
    KafkaNetSocket.connect = _connect_and_say
