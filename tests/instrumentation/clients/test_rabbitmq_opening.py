"""A connection that ends while it is being opened: who is refused is told so, and who isn't tries again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from pamqp import commands, frame
from pamqp.header import ProtocolHeader

from flowtrail.clients import ClientError, RefusedError, choose_client
from instrumentation.clients.rabbitmq_support import ADAPTERS
from waiting import scaled

Close = tuple[int, str]
# What a server has heard when it ends the connection, in the order of the protocol.
STAGES = (ProtocolHeader, commands.Connection.StartOk, commands.Connection.Open)
# Whether it says why before it does; None: it just goes, as one does that is killed.
LOST: tuple[Close | None, ...] = (
    None,
    (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
    (541, "INTERNAL_ERROR - access to vhost '/' refused for user 'ann': vhost '/' is down"),
)
REFUSED = (
    (STAGES[1], (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN"), "correct the URL"),
    (STAGES[2], (530, "NOT_ALLOWED - vhost nowhere not found"), "add_vhost"),
    (STAGES[2], (530, "NOT_ALLOWED - access to vhost '/' refused for user 'ann'"), "add_vhost"),
)  # fmt: skip


@contextmanager
def server(last: type, close: Close | None) -> Iterator[str]:
    """URL of a server that speaks AMQP until it has heard something, then ends the connection; every time."""

    def answer(heard: object) -> bytes:
        if isinstance(heard, ProtocolHeader):
            start = commands.Connection.Start(server_properties={}, mechanisms="PLAIN", locales="en_US")
            return frame.marshal(start, 0)
        if isinstance(heard, commands.Connection.StartOk):
            return frame.marshal(commands.Connection.Tune(2047, 131_072, 60), 0)
        return b""

    def talk(peer: socket.socket) -> None:
        unread = b""
        while data := peer.recv(65_536):
            unread += data
            while unread:
                used, _, heard = frame.unmarshal(unread)
                unread = unread[used:]
                if isinstance(heard, last):
                    if close is not None:
                        peer.sendall(frame.marshal(commands.Connection.Close(*close, 0, 0), 0))
                    return
                peer.sendall(answer(heard))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with closing(peer):
                talk(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"amqp://ann:s3cret@127.0.0.1:{listener.getsockname()[1]}/%2F"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(scaled(10))


def told(adapter: str, last: type, close: Close | None) -> ClientError:
    with server(last, close) as url, pytest.raises(ClientError) as caught:
        choose_client(adapter, url).open_producer()
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("close", LOST, ids=str)
@pytest.mark.parametrize("last", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_connection_that_is_lost_is_no_refusal(adapter: str, last: type, close: Close | None) -> None:
    error = told(adapter, last, close)
    assert not isinstance(error, RefusedError), error
    assert not any(word in str(error) for word in ("this password", "add_vhost", " object at "))


@pytest.mark.parametrize(("last", "close", "advice"), REFUSED, ids=str)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_refusal_says_what_to_correct(adapter: str, last: type, close: Close, advice: str) -> None:
    error = told(adapter, last, close)
    assert isinstance(error, RefusedError)
    assert advice in str(error)
