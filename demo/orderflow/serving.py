"""Running one service as a process."""

from __future__ import annotations

import importlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from orderflow.kernel import Money, Sku
from orderflow.platform import Service, Settings, Subscription
from orderflow.platform.settings import SERVICES
from orderflow.seeds import PRICES_CENTS

_BUILDERS = {
    "orders": "orderflow.orders.adapters",
    "inventory": "orderflow.inventory.adapters",
    "billing": "orderflow.billing.adapters",
    "fulfillment": "orderflow.fulfillment.adapters",
    "customers": "orderflow.customers.adapters",
    "recommendations": "orderflow.recommendations",
    "campaigns": "orderflow.campaigns",
}


def build(settings: Settings) -> Service:
    """The service of that name; imports no other context."""
    builder: Callable[[Settings], Service] = importlib.import_module(_BUILDERS[settings.service]).build
    return builder(settings)


def subscriptions() -> list[Subscription]:
    """What the five services listen to."""
    found: list[Subscription] = []
    with TemporaryDirectory() as folder:
        for name in SERVICES:
            service = build(Settings(name, "", Path(folder)))
            found += service.subscriptions
            service.close()
    return found


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a service can be reached.

    Attributes:
        host: Address of its ports.
        port: HTTP port of Order Management, 0 for a free one; the others have none.
        metrics_port: Port of its Prometheus metrics, 0 for a free one, None for none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int | None = None


def serve(settings: Settings, listening: Listening) -> int:
    """Run a service until SIGTERM or SIGINT.

    Returns:
        Exit code: 0, or 2 if a port can't be had.
    """
    try:
        if listening.metrics_port is not None:
            _serve_metrics(settings.service, listening.host, listening.metrics_port)
        listener = _listen(listening) if settings.service == "orders" else None
    except _PortError as error:
        print(f"orderflow: {error}", file=sys.stderr)
        return 2
    service = build(settings)
    threading.Thread(target=_announce, args=(service,), daemon=True).start()
    if listener is None:
        service.run()
    else:
        _serve_http(service, listener)
    return 0


class _PortError(Exception):
    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"can't listen on {host}:{port}: {error.strerror or error}")


def _serve_metrics(service: str, host: str, port: int) -> None:
    from prometheus_client import start_http_server

    try:
        server, _ = start_http_server(port, addr=host)
    except OSError as error:
        raise _PortError(host, port, error) from None
    print(f"{service} metrics on http://{host}:{server.server_port}/metrics", flush=True)


def _listen(listening: Listening) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listening.host, listening.port))
        listener.listen(128)  # whoever reads the line below can connect at once
    except OSError as error:
        listener.close()
        raise _PortError(listening.host, listening.port, error) from None
    print(f"orders is listening on http://{listening.host}:{listener.getsockname()[1]}", flush=True)
    return listener


def _announce(service: Service) -> None:
    """Say once that events will be handled from now on; whoever starts the service may wait for it."""
    while not service.ready(1.0):
        time.sleep(0.02)
    print(f"{service.settings.service} has joined group {service.settings.group}", flush=True)


def _serve_http(service: Service, listener: socket.socket) -> None:
    import uvicorn

    from orderflow.orders.adapters.http import build_app
    from orderflow.orders.domain import Catalogue

    catalogue = Catalogue({Sku(sku): Money(cents) for sku, cents in PRICES_CENTS.items()})
    app = build_app(service, catalogue)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # When it is done, uvicorn raises the signal that stopped it once more; there is still a group to leave.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with listener, service.running():
        server.run(sockets=[listener])
    service.close()
