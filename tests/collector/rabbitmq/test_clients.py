"""A version of the client without the private parts that deliveries are taken with is used through its callback."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pika
import pytest

from flowtrail_collector.brokers.rabbitmq import deliveries
from flowtrail_collector.brokers.rabbitmq.deliveries import Deliveries, lacking
from flowtrail_collector.settings import RabbitConfig


class Blocking:
    def __init__(self, parameters: Any = None, _impl_class: Any = None) -> None: ...
    def _request_channel_dispatch(self, channel_number: int) -> None: ...


class BlockingWithoutClass:
    def __init__(self, parameters: Any = None) -> None: ...
    def _request_channel_dispatch(self, channel_number: int) -> None: ...


class BlockingWithoutDispatch:
    def __init__(self, parameters: Any = None, _impl_class: Any = None) -> None: ...


class BlockingOfAnotherDispatch(Blocking):
    def _request_channel_dispatch(self, channel_number: int, reason: str) -> None: ...  # type: ignore[override]


class SelectWithoutData:
    def _read_frame(self) -> None: ...


class Select(SelectWithoutData):
    def _on_data_available(self, data_in: bytes) -> None: ...


class SelectWithoutFrames:
    def _on_data_available(self, data_in: bytes) -> None: ...


class SelectOfOtherData(SelectWithoutData):
    def _on_data_available(self, data_in: bytes, at: float) -> None: ...


class SelectWithAttribute(SelectWithoutData):
    _on_data_available = None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((Blocking, Select), []),
        ((BlockingWithoutClass, Select), ["BlockingConnection.__init__"]),
        ((BlockingWithoutDispatch, Select), ["BlockingConnection._request_channel_dispatch"]),
        ((BlockingOfAnotherDispatch, Select), ["BlockingConnection._request_channel_dispatch"]),
        ((Blocking, SelectWithoutData), ["SelectConnection._on_data_available"]),
        ((Blocking, SelectOfOtherData), ["SelectConnection._on_data_available"]),
        ((Blocking, SelectWithAttribute), ["SelectConnection._on_data_available"]),
        ((Blocking, SelectWithoutFrames), ["SelectConnection._read_frame"]),
        ((Blocking,), ["SelectConnection._on_data_available", "SelectConnection._read_frame"]),
    ],
)
def test_what_a_version_lacks(parts: tuple[type, ...], expected: list[str]) -> None:
    names = ("BlockingConnection", "SelectConnection")
    assert lacking(SimpleNamespace(**dict(zip(names, parts, strict=False)))) == expected  # type: ignore[arg-type]


def test_the_installed_one_lacks_nothing() -> None:
    assert lacking(pika) == []
    # Checked by their parameters, so these have to be plain functions.
    assert inspect.isfunction(pika.SelectConnection._on_data_available)


@pytest.mark.parametrize("missing", [["BlockingConnection.__init__"], []])
def test_it_is_decided_once_for_a_connection_and_told_in_one_line(
    missing: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beneath: list[type | None] = []
    connected: Callable[..., object] = lambda config, purpose, kind: beneath.append(kind)  # noqa: E731
    monkeypatch.setattr(deliveries, "connect", connected)
    monkeypatch.setattr(deliveries, "lacking", lambda client: missing)
    with caplog.at_level(logging.DEBUG, "flowtrail_collector"):
        Deliveries(RabbitConfig("amqp://ann@127.0.0.1/"), "tail")
    assert [each is None for each in beneath] == [bool(missing)]
    version = pika.__version__
    line = f"pika {version} lacks BlockingConnection.__init__: it decodes each delivery itself"
    assert caplog.messages == ([line] if missing else [])
