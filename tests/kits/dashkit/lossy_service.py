"""`python -m dashkit.lossy_service PORT`: a service whose spans reach nobody, with its metrics on that port."""

from __future__ import annotations

import itertools
import sys
import time

from prometheus_client import start_http_server

import flowtrail


def main() -> None:
    """Publish until it is ended."""
    start_http_server(int(sys.argv[1]), "127.0.0.1")
    trail = flowtrail.Trail(service="lossy")
    for number in itertools.count():
        trail.publish("lossy", {"n": number}, type="Counted", subject=str(number))
        time.sleep(0.2)


if __name__ == "__main__":
    main()
