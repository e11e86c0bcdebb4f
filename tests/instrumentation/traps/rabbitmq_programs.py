"""Programs on RabbitMQ with a client of their own: every way to publish, and to be handed a message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import aio_pika
import pika

from waiting import scaled

MESSAGES = 3
Wrap = Callable[[Any], Any]
"""What the program does with a channel before it uses it; nothing where it is instrumented."""


class Place(NamedTuple):
    """Where a program works.

    Attributes:
        url: The server.
        exchange: Where it publishes.
        queue: What it reads; bound to the exchange.
        onward: An exchange for what a handler publishes.
    """

    url: str
    exchange: str
    queue: str
    onward: str

    def declare(self) -> None:
        """Declare all of it."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.queue_declare(self.queue)
            channel.queue_declare(self.onward)
            for exchange, queue in ((self.exchange, self.queue), (self.onward, self.onward)):
                channel.exchange_declare(exchange, "topic")
                channel.queue_bind(queue, exchange, "#")


Handle = Callable[[bytes], None]
"""Called for each message, where the program handles it."""

Program = Callable[[Place, Wrap, Handle], None]


@contextmanager
def _blocking(place: Place, wrap: Wrap) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(place.url)) as connection:
        channel = wrap(connection.channel())
        channel.confirm_delivery()
        for number in range(MESSAGES):
            channel.basic_publish(place.exchange, f"kind.{number}", b"%d" % number)
        yield channel
        channel.close()


def _blocking_handles(channel: Any, place: Place, handle: Handle, method: Any, body: bytes) -> None:
    handle(body)
    channel.basic_publish(place.onward, "next", body)
    channel.basic_ack(method.delivery_tag)


def pika_callbacks(place: Place, wrap: Wrap, handle: Handle) -> None:
    """`basic_consume`; the callback publishes on the channel that it is handed."""
    seen: list[bytes] = []

    def on_message(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        _blocking_handles(channel, place, handle, method, body)
        seen.append(body)
        if len(seen) == MESSAGES:
            channel.stop_consuming()

    with _blocking(place, wrap) as channel:
        channel.basic_consume(place.queue, on_message)
        channel.start_consuming()


def pika_generator(place: Place, wrap: Wrap, handle: Handle) -> None:
    """A loop over `consume`."""
    with _blocking(place, wrap) as channel:
        for number, (method, _, body) in enumerate(channel.consume(queue=place.queue), 1):
            _blocking_handles(channel, place, handle, method, body)
            if number == MESSAGES:
                break
        channel.cancel()


def pika_next_of_generator(place: Place, wrap: Wrap, handle: Handle) -> None:
    """A new generator for each message; it is gone before the message is handled."""
    with _blocking(place, wrap) as channel:
        for _ in range(MESSAGES):
            method, _, body = next(channel.consume(place.queue))
            _blocking_handles(channel, place, handle, method, body)


def pika_idle_generator(place: Place, wrap: Wrap, handle: Handle) -> None:
    """A generator that says when nothing comes; this isn't the flow of the message before."""
    with _blocking(place, wrap) as channel:
        for method, _, body in channel.consume(place.queue, inactivity_timeout=0.5):
            if method is None:
                break
            _blocking_handles(channel, place, handle, method, body)
        channel.basic_publish(place.onward, "idle", b"idle")


def pika_get(place: Place, wrap: Wrap, handle: Handle) -> None:
    """`basic_get` until nothing is left."""
    with _blocking(place, wrap) as channel:
        while (found := channel.basic_get(place.queue))[0] is not None:
            method, _, body = found
            _blocking_handles(channel, place, handle, method, body)


class _Select:
    """A program around pika's own event loop."""

    def __init__(self, place: Place, wrap: Wrap, handle: Handle, by_callback: bool) -> None:
        self.place, self.wrap, self.handle, self.by_callback = place, wrap, handle, by_callback
        self.left = MESSAGES
        self.connection = pika.SelectConnection(
            pika.URLParameters(place.url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
        )
        self.connection.ioloop.call_later(scaled(30), self.connection.ioloop.stop)
        self.connection.ioloop.start()
        self.connection.ioloop.close()

    def _opened(self, channel: Any) -> None:
        channel = self.channel = self.wrap(channel)
        channel.add_callback(lambda _: self._get(), [pika.spec.Basic.GetEmpty], one_shot=False)
        for number in range(MESSAGES):
            channel.basic_publish(self.place.exchange, f"kind.{number}", b"%d" % number)
        if self.by_callback:
            channel.basic_consume(on_message_callback=self._came, queue=self.place.queue)
        else:
            self._get()

    def _get(self) -> None:
        self.channel.basic_get(self.place.queue, self._came)

    def _came(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        _blocking_handles(channel, self.place, self.handle, method, body)
        self.left -= 1
        if not self.left:
            self.connection.close()
        elif not self.by_callback:
            self._get()


def select_callbacks(place: Place, wrap: Wrap, handle: Handle) -> None:
    """`basic_consume` on a connection that doesn't block."""
    _Select(place, wrap, handle, by_callback=True)


def select_get(place: Place, wrap: Wrap, handle: Handle) -> None:
    """`basic_get` likewise."""
    _Select(place, wrap, handle, by_callback=False)


@asynccontextmanager
async def _awaiting(
    place: Place, wrap: Wrap, robust: bool
) -> AsyncIterator[tuple[Any, Any, Callable[..., Any]]]:
    connection = await (aio_pika.connect_robust if robust else aio_pika.connect)(place.url)
    async with connection:
        channel = wrap(await connection.channel())
        exchange = await channel.get_exchange(place.exchange)
        onward = await channel.get_exchange(place.onward)
        for number in range(MESSAGES):
            await exchange.publish(aio_pika.Message(b"%d" % number), routing_key=f"kind.{number}")

        async def publish(body: bytes) -> None:
            await onward.publish(aio_pika.Message(body), "next")

        yield channel, await channel.get_queue(place.queue), publish


def _called(robust: bool) -> Program:
    async def run(place: Place, wrap: Wrap, handle: Handle) -> None:
        seen: list[bytes] = []
        done = asyncio.Event()
        async with _awaiting(place, wrap, robust) as (_, queue, publish):

            async def on_message(message: Any) -> None:
                async with message.process():
                    handle(message.body)
                    await publish(message.body)
                    seen.append(message.body)
                    if len(seen) == MESSAGES:
                        done.set()

            await queue.consume(callback=on_message)
            async with asyncio.timeout(scaled(30)):
                await done.wait()

    return lambda place, wrap, handle: asyncio.run(run(place, wrap, handle))


def _iterated(robust: bool, inside: bool) -> Program:
    async def run(place: Place, wrap: Wrap, handle: Handle) -> None:
        async with _awaiting(place, wrap, robust) as (_, queue, publish):

            async def loop(messages: Any) -> None:
                seen = 0
                async for message in messages:
                    async with message.process():
                        handle(message.body)
                        await publish(message.body)
                    seen += 1
                    if seen == MESSAGES:
                        break

            if inside:
                async with queue.iterator() as iterator:
                    await loop(iterator)
            else:
                await loop(queue)

    return lambda place, wrap, handle: asyncio.run(run(place, wrap, handle))


def _got(robust: bool) -> Program:
    async def run(place: Place, wrap: Wrap, handle: Handle) -> None:
        async with _awaiting(place, wrap, robust) as (_, queue, publish):
            while (message := await queue.get(fail=False)) is not None:
                handle(message.body)
                await publish(message.body)
                await message.ack()

    return lambda place, wrap, handle: asyncio.run(run(place, wrap, handle))


def _timed_out_iterator(place: Place, wrap: Wrap, handle: Handle) -> None:
    """An iterator that gives up when nothing comes."""

    async def run() -> None:
        async with _awaiting(place, wrap, False) as (_, queue, publish):
            with suppress(TimeoutError):
                async with queue.iterator(timeout=0.5) as messages:
                    async for message in messages:
                        async with message.process():
                            handle(message.body)
                            await publish(message.body)
            await publish(b"idle")

    asyncio.run(run())


PROGRAMS: dict[str, Program] = {
    "pika-callbacks": pika_callbacks,
    "pika-generator": pika_generator,
    "pika-next-of-generator": pika_next_of_generator,
    "pika-idle-generator": pika_idle_generator,
    "pika-get": pika_get,
    "pika-select-callbacks": select_callbacks,
    "pika-select-get": select_get,
    "aio-pika-callbacks": _called(False),
    "aio-pika-robust-callbacks": _called(True),
    "aio-pika-iterator": _iterated(False, True),
    "aio-pika-robust-iterator": _iterated(True, True),
    "aio-pika-queue-as-iterator": _iterated(False, False),
    "aio-pika-robust-queue-as-iterator": _iterated(True, False),
    "aio-pika-timed-out-iterator": _timed_out_iterator,
    "aio-pika-get": _got(False),
    "aio-pika-robust-get": _got(True),
}
