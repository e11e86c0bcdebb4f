"""Running one service as a process."""

from __future__ import annotations

import importlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from orderflow.kernel import Money, Sku
from orderflow.platform import Service, Settings
from orderflow.seeds import PRICES_CENTS

_BUILDERS = {
    "orders": "orderflow.orders.adapters",
    "inventory": "orderflow.inventory.adapters",
    "billing": "orderflow.billing.adapters",
    "fulfillment": "orderflow.fulfillment.adapters",
    "customers": "orderflow.customers.adapters",
    "recommendations": "orderflow.recommendations",
}


def build(settings: Settings) -> Service:
    """The service of that name; imports no other context."""
    builder: Callable[[Settings], Service] = importlib.import_module(_BUILDERS[settings.service]).build
    return builder(settings)


def serve(settings: Settings, port: int) -> int:
    """Run a service until SIGTERM or SIGINT.

    Args:
        settings: Of the service.
        port: HTTP port of Order Management; the others have none.

    Returns:
        Exit code: 0, or 2 if the port is taken.
    """
    service = build(settings)
    threading.Thread(target=_announce, args=(service,), daemon=True).start()
    if settings.service != "orders":
        service.trail.run()
        return 0
    return _serve_http(service, port)


def _announce(service: Service) -> None:
    """Say once that events will be handled from now on; whoever starts the service may wait for it."""
    while not service.trail.ready(1.0):
        time.sleep(0.02)
    print(f"{service.settings.service} has joined group {service.settings.group}", flush=True)


def _serve_http(service: Service, port: int) -> int:
    import uvicorn

    from orderflow.orders.adapters.http import build_app
    from orderflow.orders.domain import Catalogue

    catalogue = Catalogue({Sku(sku): Money(cents) for sku, cents in PRICES_CENTS.items()})
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)  # whoever reads the line below can connect at once
    except OSError as error:
        print(f"orderflow: can't listen on 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        listener.close()
        return 2
    print(f"orders is listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    app = build_app(service, catalogue)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=5
    )
    # When it is done, uvicorn raises the signal that stopped it once more; there is still a group to leave.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with listener, service.trail.running():
        uvicorn.Server(config).run(sockets=[listener])
    service.trail.close()
    return 0
