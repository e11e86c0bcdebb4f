"""Publishing with pika from any thread: one thread of its own does the connection's I/O."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from flowtrail import _fork
from flowtrail._wrap import leave_alone
from flowtrail.clients._kinds import RABBITMQ
from flowtrail.clients._pika_errors import failure_of
from flowtrail.clients._port import ClientError, Delivered, OnDelivery, UnroutableError, unreachable
from flowtrail.clients._rabbitmq import CONNECT_SECONDS, Outgoing
from flowtrail.clients._rabbitmq_errors import NOT_FOUND, nobody_takes
from flowtrail.clients._under_way import CLOSED, UnderWay
from flowtrail.errors import FlowtrailError
from flowtrail.wire.amqp_pika import can_read_all, properties_with_table, reading_all

_log = logging.getLogger("flowtrail")


class _Item:
    """A message between `send` and its confirmation."""

    __slots__ = ("again", "on_delivery", "returned", "sent")

    def __init__(self, sent: Outgoing, on_delivery: OnDelivery) -> None:
        self.sent = sent
        self.on_delivery = on_delivery
        self.returned: str | None = None
        self.again = False


class PikaProducer:
    """Publishes with confirmations, many under way at a time.

    What the server refuses closes the channel, and with it the confirmations of everything else under way:
    that is sent once more, one by one, so that only what is refused fails. A lost connection is opened again
    at once, and what was under way sent again, once; where that doesn't work it fails, and the next message
    tries to connect.

    Args:
        pika: The module.
        parameters: Of each server; the first one that answers is used.
        gone: Told of an exchange or queue that isn't there.
        address: Where the servers are, for messages.

    Raises:
        ClientError: No server could be reached.
    """

    def __init__(
        self, pika: Any, parameters: Sequence[Any], gone: Callable[[str], None], address: str
    ) -> None:
        self._pika = pika
        self._properties = properties_with_table(pika.BasicProperties)
        kind = pika.SelectConnection
        self._kind = reading_all(kind) if can_read_all(kind) else kind
        self._parameters = parameters
        self._gone = gone
        self._address = address
        self._ioloop = pika.adapters.select_connection.IOLoop()
        self._connection: Any = None
        self._channel: Any = None  # None until confirmations are on
        self._tag = 0
        self._todo: deque[_Item] = deque()
        self._under_way: dict[int, _Item] = {}  # by delivery tag, in order
        self._one_by_one = 0
        self._block_reason = ""
        self._messages = UnderWay()
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="flowtrail-pika", daemon=True)
        self._thread.start()
        _fork.in_child(self._forked)
        try:
            self._opened.result(len(parameters) * 2 * CONNECT_SECONDS)
        except BaseException as error:
            self.close(0)
            raise failure_of(pika, error) from error

    def _forked(self) -> None:
        for part in (self._ioloop, self._connection):
            _fork.leave_behind(part)

    # -- from any thread

    def send(self, sent: Outgoing, on_delivery: OnDelivery) -> None:
        """Hand over a message; see `ProducerClient.send`."""
        item = _Item(sent, on_delivery)
        self._messages.begin(lambda: self._todo.append(item))
        self._ioloop.add_callback_threadsafe(self._publish)

    def flush(self, timeout_seconds: float) -> bool:
        """See `ProducerClient.flush`."""
        return self._messages.flush(timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """See `ProducerClient.close`."""
        if not self._messages.close(timeout_seconds):
            return
        self._ioloop.add_callback_threadsafe(self._end)
        self._thread.join(CONNECT_SECONDS)

    # -- in the thread that does the I/O

    def _run(self) -> None:
        self._connect(0)
        self._ioloop.start()
        self._ioloop.close()

    def _connect(self, number: int) -> None:
        self._connection = self._kind(
            self._parameters[number],
            on_open_callback=self._connected,
            on_open_error_callback=lambda _, error: self._not_connected(number, error),
            on_close_callback=lambda _, error: self._lost(error),
            custom_ioloop=self._ioloop,
        )
        self._connection.add_on_connection_blocked_callback(self._blocked)
        self._connection.add_on_connection_unblocked_callback(self._unblocked)

    def _connected(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Any) -> None:
        leave_alone(channel)
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._ready(channel))

    def _ready(self, channel: Any) -> None:
        self._channel, self._tag = channel, 0
        if not self._opened.done():
            self._opened.set_result(None)
        self._publish()

    def _not_connected(self, number: int, error: Any) -> None:
        if number + 1 < len(self._parameters):
            self._connect(number + 1)
            return
        failure = failure_of(self._pika, error)
        if type(failure) is ClientError:
            failure = unreachable(RABBITMQ, self._address, failure)
        self._fail_all(failure)
        if not self._opened.done():
            self._opened.set_exception(failure)

    def _lost(self, error: Any) -> None:
        """An open connection is gone, and with it whatever is known of what was under way."""
        unsure = list(self._under_way.values())
        hopeless = isinstance(error, self._pika.exceptions.ConnectionBlockedTimeout) or self._messages.closed
        if hopeless or any(item.again for item in unsure):
            self._fail_all(error)
            return
        self._connection = self._channel = None
        self._under_way.clear()
        for item in unsure:
            item.again, item.returned = True, None
        self._todo.extendleft(reversed(unsure))
        self._publish()

    def _fail_all(self, error: Any) -> None:
        self._connection = self._channel = None
        self._one_by_one = 0
        failed = [*self._under_way.values(), *self._todo]
        self._under_way.clear()
        self._todo.clear()
        failure = failure_of(self._pika, error, self._block_reason)
        self._block_reason = ""
        for item in failed:
            self._report(item, failure)
        if self._messages.closed:
            self._ioloop.stop()

    def _publish(self) -> None:
        """Send what waits, as far as it may go."""
        if self._channel is None:
            if self._connection is None and self._todo:
                self._connect(0)
            return
        while self._todo and not (self._one_by_one and self._under_way):
            item = self._todo.popleft()
            exchange, message = item.sent.exchange, item.sent.message
            self._tag += 1
            self._under_way[self._tag] = item
            try:
                properties = self._properties(item.sent.headers, **message.properties)
                self._channel.basic_publish(
                    exchange, message.routing_key, message.body, properties, mandatory=True
                )
            except Exception as error:  # noqa: BLE001 - it can't be encoded; reported to whoever publishes
                del self._under_way[self._tag]
                self._tag -= 1
                self._report(item, error)

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        tags = [method.delivery_tag]
        if method.multiple:
            tags = [tag for tag in self._under_way if tag <= method.delivery_tag]
        taken = isinstance(method, self._pika.spec.Basic.Ack)
        for tag in tags:
            item = self._under_way.pop(tag, None)
            if item is None:
                continue
            if not taken:
                self._report(item, ClientError("RabbitMQ could not accept it: its queue is full or failing"))
            elif item.returned is not None:
                self._report(item, UnroutableError(item.returned))
            else:
                self._report(item, None)
            self._one_by_one = max(0, self._one_by_one - 1)
        if self._todo:
            self._publish()

    def _returned(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """It comes before its own confirmation, and in the order in which messages were sent."""
        for item in self._under_way.values():
            exchange, message = item.sent.exchange, item.sent.message
            if (
                item.returned is None
                and (exchange, message.routing_key) == (method.exchange, method.routing_key)
                and message.properties.get("message_id") == properties.message_id
                and message.body == body
            ):
                item.returned = nobody_takes(exchange, message.routing_key)
                if not exchange:
                    self._gone(str(message.routing_key))
                return

    def _channel_closed(self, channel: Any, reason: Any) -> None:
        if not isinstance(reason, self._pika.exceptions.ChannelClosedByBroker):
            return  # the connection goes too
        self._channel = None
        failed = list(self._under_way.values())
        self._under_way.clear()
        if len(failed) == 1:
            item = failed.pop()
            if reason.reply_code == NOT_FOUND:
                self._gone(item.sent.exchange)
                self._report(item, ClientError(f"RabbitMQ: {reason.reply_text}; it is looked for again"))
            else:
                self._report(item, failure_of(self._pika, reason))
        self._one_by_one = max(self._one_by_one - 1, len(failed))
        self._todo.extendleft(reversed(failed))
        with contextlib.suppress(Exception):  # else the connection goes too
            channel.connection.channel(on_open_callback=self._channel_opened)

    def _blocked(self, _connection: Any, frame: Any) -> None:
        self._block_reason = str(frame.method.reason)
        _log.warning("RabbitMQ is not accepting messages (%s); publications wait", self._block_reason)

    def _unblocked(self, _connection: Any, _frame: Any) -> None:
        self._block_reason = ""
        _log.warning("RabbitMQ is accepting messages again")

    def _report(self, item: _Item, error: Exception | FlowtrailError | None) -> None:
        self._messages.report(item.on_delivery, Delivered(None, None) if error is None else None, error)

    def _end(self) -> None:
        if self._connection is None or self._connection.is_closed:
            self._fail_all(ClientError(CLOSED))
        elif not self._connection.is_closing:
            with contextlib.suppress(Exception):
                self._connection.close()
