"""The broker in a thread (tests, scripts) or as the process itself (the command)."""

import asyncio
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from devbroker.broker import Settings
from devbroker.server import AddressError, Server, Trace

_STOP_SECONDS = 10


class DevBroker:
    """An in-memory Kafka-protocol broker in a thread of this process.

    ```python
    with DevBroker() as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    ```

    Args:
        host: a loopback address, or "localhost".
        port: 0 takes a free one.
        settings: how it behaves; the other arguments override it.
        partitions: of topics that don't ask for a number.
        auto_create_topics: whether asking for a topic makes it.
        retention_bytes: per partition; None (of `settings`) keeps all.
        trace: receives one line per request.

    Raises:
        AddressError: (on start) the address isn't loopback, or can't be bound.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: Settings | None = None,
        partitions: int | None = None,
        auto_create_topics: bool | None = None,
        retention_bytes: int | None = None,
        trace: Trace | None = None,
    ) -> None:
        overrides = {
            "default_partitions": partitions,
            "auto_create_topics": auto_create_topics,
            "retention_bytes": retention_bytes,
        }
        given = {name: value for name, value in overrides.items() if value is not None}
        self.settings = replace(settings or Settings(), **given)  # type: ignore[arg-type]
        self._host = host
        self._port = port
        self._trace = trace
        self._address: tuple[str, int] | None = None
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._listening()[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listening()[1]

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, as clients want it."""
        return _bootstrap(*self._listening())

    def start(self) -> Self:
        """Listen; returns once clients can connect."""
        if self._thread is not None:
            return self
        ready = threading.Event()
        failure: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._run, args=(ready, failure), name="devbroker", daemon=True
        )
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            self._thread = None
            raise failure[0]
        return self

    def stop(self) -> None:
        """Close everything; all records are gone."""
        if self._thread is None:
            return
        self._stop()
        self._thread.join(_STOP_SECONDS)
        self._thread = None
        self._address = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _listening(self) -> tuple[str, int]:
        if self._address is None:
            raise RuntimeError("the broker is not running")
        return self._address

    def _run(self, ready: threading.Event, failure: list[BaseException]) -> None:
        async def serve() -> None:
            stopped = asyncio.Event()
            loop = asyncio.get_running_loop()
            server = Server(self.settings, trace=self._trace)
            await server.start(self._host, self._port)
            self._address = (server.broker.host, server.broker.port)
            self._stop = partial(loop.call_soon_threadsafe, stopped.set)
            ready.set()
            await stopped.wait()
            await server.stop()

        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that called start()
            failure.append(error)
        finally:
            ready.set()


def serve_forever(
    host: str, port: int, settings: Settings, *, trace: Trace | None, announce: Callable[[str], None]
) -> None:
    """Run a broker in this thread until SIGTERM or SIGINT.

    Args:
        announce: told `host:port` once clients can connect.

    Raises:
        AddressError: the address isn't loopback, or can't be bound.
    """

    async def serve() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stopped.set)
        server = Server(settings, trace=trace)
        await server.start(host, port)
        announce(_bootstrap(server.broker.host, server.broker.port))
        await stopped.wait()
        await server.stop()

    asyncio.run(serve())


def _bootstrap(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


__all__ = ["AddressError", "DevBroker", "serve_forever"]
