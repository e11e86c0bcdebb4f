"""Who asks first writes first."""

import threading
import time

from flowtrail_collector.store.sqlite.fair_lock import FairLock


def test_it_is_handed_on_in_the_order_of_asking() -> None:
    lock, order = FairLock(), []

    def use(number: int) -> None:
        with lock:
            order.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(5)]
    with lock:
        for number, thread in enumerate(threads, 1):
            thread.start()
            while lock.waiting < number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(5))


def test_an_error_inside_lets_go_of_it() -> None:
    lock = FairLock()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    with lock:
        assert lock.waiting == 0
