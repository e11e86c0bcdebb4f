"""A Kafka client that never closes holds nobody up."""

import threading

import pytest

from flowtrail_collector.brokers.kafka.closing import close


class _Stuck:
    def __init__(self) -> None:
        self.may_close = threading.Event()
        self.closed = threading.Event()

    def close(self) -> None:
        self.may_close.wait()
        self.closed.set()


class _Broken:
    def close(self) -> None:
        raise RuntimeError("already closed")


def test_who_waits_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    stuck = _Stuck()
    close(stuck, seconds=0.05)
    assert not stuck.closed.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "a Kafka client hasn't closed within 0.05 s and is left behind"
    ]
    stuck.may_close.set()
    assert stuck.closed.wait(60)


def test_what_goes_wrong_is_raised() -> None:
    with pytest.raises(RuntimeError, match="already closed"):
        close(_Broken())
