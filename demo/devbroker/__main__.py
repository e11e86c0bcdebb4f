"""`python -m devbroker`: run the broker as a process."""

import argparse
import logging
import sys

from devbroker.broker import Settings
from devbroker.runner import serve_forever
from devbroker.server import AddressError

EXIT_USAGE = 2
# Started again it is the same cluster whose topics were recreated: what was stored of it can still be used.
CLUSTER_ID = "devbroker"


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0, or 2 with one line on stderr if it can't listen."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.partitions < 1:
        parser.error("--partitions must be 1 or more")
    settings = Settings(
        default_partitions=options.partitions,
        retention_bytes=None if options.retention_bytes < 0 else options.retention_bytes,
        auto_create_topics=not options.no_auto_create,
        cluster_id=CLUSTER_ID,
    )
    logging.basicConfig(level=logging.WARNING, format="devbroker: %(levelname)s: %(message)s")
    try:
        serve_forever(
            options.host,
            options.port,
            settings,
            trace=(lambda line: print(line, file=sys.stderr)) if options.trace else None,
            announce=lambda address: print(f"devbroker is listening on {address}", flush=True),
        )
    except AddressError as error:
        print(f"devbroker: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m devbroker", description="An in-memory Kafka-protocol broker for development."
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9092, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--partitions",
        type=int,
        default=defaults.default_partitions,
        help="of topics that don't ask for a number (default: %(default)s)",
    )
    parser.add_argument(
        "--retention-bytes",
        type=int,
        default=defaults.retention_bytes,
        help="per partition, -1 for no limit (default: %(default)s)",
    )
    parser.add_argument("--no-auto-create", action="store_true", help="don't create topics on demand")
    parser.add_argument("--trace", action="store_true", help="print every request and response to stderr")
    return parser


if __name__ == "__main__":
    sys.exit(main())
