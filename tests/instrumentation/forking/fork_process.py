"""A service that forks: `fork_process.py CLIENT BROKER TOPIC MOMENT CHILD END`.

Prints one JSON object per line, from parent and child, with what each of them saw.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import flowtrail

CHILD_SECONDS = 60.0

Child = Callable[[], None]


def say(**what: Any) -> None:
    """One line, whole even where two processes write."""
    os.write(1, (json.dumps({"pid": os.getpid(), **what}) + "\n").encode())


class Service:
    """A trail, and what its child does.

    Args:
        client: Of the trail.
        broker: Where it connects to.
        topic: Where it publishes; its orders are in `TOPIC-orders`.
        work: `plain`, `coroutine`, `consumer` or `letter`.
        end: `exit` leaves the child as any program ends, `_exit` as multiprocessing does.
    """

    def __init__(self, client: str, broker: str, topic: str, work: str, end: str) -> None:
        timing = flowtrail.Timing(publish_timeout_seconds=CHILD_SECONDS)
        self.trail = flowtrail.Trail(topic, broker, client=client, timing=timing)
        self.topic = topic
        self.orders = f"{topic}-orders"
        self.letters = f"{topic}-letters"
        self.work = work
        self.end = end
        self.under_way: flowtrail.Publication | None = None
        self.handled: list[str] = []
        self.given_up: list[str] = []

    def publish(self, who: str, **settings: Any) -> flowtrail.Publication:
        return self.trail.publish(self.topic, {"who": who}, type="Said", **settings)

    def in_child(self) -> None:
        """Publish and, if asked to, consume; what the parent has under way is the parent's."""
        began = time.monotonic()
        if self.under_way is not None:
            try:
                self.under_way.result(CHILD_SECONDS)
            except flowtrail.PublishError as error:
                say(refused=str(error))
        if self.work == "coroutine":
            asyncio.run(self._publish_in_coroutine())
        elif self.work == "letter":
            self.give_up("child")
        else:
            self.publish("child")
        if self.work == "consumer":
            with self.trail.running():
                assert self.trail.ready(CHILD_SECONDS), "the child's consumer did not join"
        say(child_seconds=time.monotonic() - began)

    async def _publish_in_coroutine(self) -> None:
        await self.publish("child")

    def fork(self) -> None:
        """Fork, and wait for the child."""
        pid = os.fork()
        if pid:
            _, status = os.waitpid(pid, 0)
            say(status=os.waitstatus_to_exitcode(status))
            return
        signal.alarm(int(CHILD_SECONDS))
        code = 0
        try:
            self.in_child()
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stderr.flush()
        if self.end == "_exit":
            os._exit(code)
        sys.exit(code)

    def start_process(self) -> None:
        """The same through multiprocessing, as one does in a handler."""
        process = multiprocessing.get_context("fork").Process(target=self.in_child)
        process.start()
        process.join(CHILD_SECONDS)
        process.kill()
        say(status=process.exitcode)

    def run_while(self, condition: Callable[[], object]) -> None:
        """Run the consumers until something has happened."""
        with self.trail.running():
            while not condition():
                time.sleep(0.02)

    def give_everything_up(self) -> None:
        """Register a handler that can't handle anything, and one for what it gives up."""

        @self.trail.consumer(self.orders, retry=flowtrail.Retry(attempts=1), dead_letter=self.letters)
        def fail(event: flowtrail.Event[Any]) -> None:
            raise ValueError("nobody can handle this")

        @self.trail.consumer(self.letters, group=self.letters)
        def hear(event: flowtrail.Event[Any]) -> None:
            self.given_up.append(event.data["who"])

    def give_up(self, who: str) -> None:
        """Publish an order, and run until it stands among the dead letters."""
        self.trail.publish(self.orders, {"who": who}, type="OrderPlaced")
        self.run_while(lambda: who in self.given_up)

    def handle_with(self, coroutine: bool) -> None:
        """Register a handler that starts a process."""
        if coroutine:

            @self.trail.consumer(self.orders)
            async def handle_later(event: flowtrail.Event[Any]) -> None:
                self.handle(event)
        else:

            @self.trail.consumer(self.orders)
            def handle(event: flowtrail.Event[Any]) -> None:
                self.handle(event)

    def handle(self, event: flowtrail.Event[Any]) -> None:
        self.publish("handler")
        self.start_process()
        self.handled.append(event.id)


def idle(service: Service) -> None:
    """Published, and acknowledged."""
    service.fork()


def under_way(service: Service) -> None:
    """A publication waits for a topic or an acknowledgement while the process forks."""
    service.under_way = service.publish("under way", wait=False)
    service.fork()
    service.under_way.result(CHILD_SECONDS)


def closed(service: Service) -> None:
    """The trail was closed before."""
    service.trail.close()
    service.fork()


def running(service: Service) -> None:
    """Consumers are running."""
    service.trail.consumer(service.orders)(lambda event: None)
    with service.trail.running():
        assert service.trail.ready(CHILD_SECONDS)
        service.fork()


def locked(service: Service) -> None:
    """Another thread holds every lock that the library has."""
    held, over = threading.Event(), threading.Event()
    service.trail._services  # noqa: B018 - what is made when it is first needed
    locks = list(_locks())
    assert len(locks) >= 8, locks

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        held.set()
        over.wait()
        for lock in locks:
            lock.release()

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait()
    try:
        service.fork()
    finally:
        over.set()
        holding.join()


def given_up(service: Service) -> None:
    """The parent has passed a dead letter on before."""
    service.give_up("before")
    service.fork()


def in_a_lane(service: Service) -> None:
    """The parent's threads that send to the dead letter topic have something in hand."""
    services, over = service.trail._services, threading.Event()
    for lanes in (services.forwarder._lanes, services.publisher._lanes):
        lanes.put(service.letters, lambda: _wait_for_the_child(over))
        assert lanes.has(service.letters)
    try:
        service.fork()
    finally:
        over.set()


def _wait_for_the_child(over: threading.Event) -> None:
    """A job of a lane that takes until the child is done."""
    assert over.wait(2 * CHILD_SECONDS), "the child did not end"


def _locks() -> Iterator[Any]:
    kinds = (type(threading.Lock()), type(threading.RLock()), threading.Condition)
    seen: set[int] = set()
    for owner in gc.get_objects():
        if str(type(owner).__module__).startswith("flowtrail"):
            names = [*getattr(owner, "__dict__", ()), *getattr(type(owner), "__slots__", ())]
            for found in (getattr(owner, name, None) for name in names):
                if isinstance(found, kinds) and id(found) not in seen:
                    seen.add(id(found))
                    yield found


def handler(service: Service) -> None:
    """A plain handler starts a process."""
    _handler(service, coroutine=False)


def coroutine_handler(service: Service) -> None:
    """A coroutine handler does."""
    _handler(service, coroutine=True)


def _handler(service: Service, *, coroutine: bool) -> None:
    service.handle_with(coroutine)
    service.trail.publish(service.orders, {}, type="OrderPlaced")
    service.run_while(lambda: service.handled)


def ended(service: Service) -> None:
    """A handler of `run()` starts a process that would go on for ever, and tells it to end."""

    @service.trail.consumer(service.orders)
    def handle(event: flowtrail.Event[Any]) -> None:
        context = multiprocessing.get_context("fork")
        up = context.Event()  # Python forgets signals that arrive while it forks
        process = context.Process(target=_sleep, args=(up,))
        process.start()
        up.wait(CHILD_SECONDS)
        process.terminate()
        process.join(CHILD_SECONDS)
        say(status=process.exitcode)
        process.kill()
        os.kill(os.getpid(), signal.SIGTERM)

    service.trail.publish(service.orders, {}, type="OrderPlaced")
    service.trail.run()


def _sleep(up: Any) -> None:
    up.set()
    while True:
        time.sleep(1)


MOMENTS = {
    function.__name__: function
    for function in (idle, under_way, closed, running, locked, handler, coroutine_handler)
}
WITH_LETTERS = {function.__name__: function for function in (idle, given_up, in_a_lane, locked, closed)}


def main(client: str, broker: str, topic: str, moment: str, work: str, end: str) -> None:
    service = Service(client, broker, topic, work, end)
    if work == "consumer" and moment != "running":
        service.trail.consumer(service.orders)(lambda event: None)
    if work == "letter":
        service.give_everything_up()
        WITH_LETTERS[moment](service)
        service.give_up("parent")
    else:
        service.publish("parent")
        (MOMENTS.get(moment) or ended)(service)
        service.publish("parent again")
    service.trail.close()
    say(done=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
