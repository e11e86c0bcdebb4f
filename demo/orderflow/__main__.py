"""`python -m orderflow`: the demo, or one of its services."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from orderflow.platform.settings import LATER_SERVICES, SERVICES, Settings, SettingsError, checked_broker

MAX_ORDERS = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do it; returns the exit code."""
    options = _parser().parse_args(arguments)
    commands = {"demo": _demo, "serve": _serve, "topics": _topics, "load": _load}
    try:
        return commands[options.command](options)
    except SettingsError as error:
        print(f"orderflow: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orderflow", description="The flowtrail demo.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run everything, place orders, show what became of them")
    demo.add_argument("--orders", type=_count, default=60, help="how many (default: %(default)s)")
    demo.add_argument("--rate", type=_rate, default=3.0, help="orders per second (default: %(default)s)")
    demo.add_argument(
        "--broker",
        default=os.environ.get("ORDERFLOW_BROKER", ""),
        help="kafka, rabbitmq, or both: billing on RabbitMQ; also ORDERFLOW_BROKER (default: kafka)",
    )
    demo.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    serve = commands.add_parser("serve", help="run one service")
    serve.add_argument("service", choices=[*SERVICES, *LATER_SERVICES])
    serve.add_argument(
        "--host",
        default=os.environ.get("ORDERFLOW_HOST") or "127.0.0.1",
        help="address of its ports; also ORDERFLOW_HOST (default: %(default)s)",
    )
    serve.add_argument(
        "--port",
        type=_port,
        default=8000,
        help="HTTP port of orders, 0 for a free one (default: %(default)s)",
    )
    serve.add_argument(
        "--metrics-port",
        type=_port,
        default=os.environ.get("ORDERFLOW_METRICS_PORT") or None,
        help="Prometheus port, 0 for a free one; also ORDERFLOW_METRICS_PORT (default: none)",
    )
    topics = commands.add_parser(
        "topics", help="create the topics that are missing, on RabbitMQ exchanges and queues"
    )
    topics.add_argument(
        "--wait", type=float, default=60.0, help="seconds to wait for the broker (default: %(default)s)"
    )
    load = commands.add_parser("load", help="place orders in a shop that is there, until stopped")
    load.add_argument(
        "--url",
        default=os.environ.get("ORDERFLOW_ORDERS_URL") or "http://127.0.0.1:8000",
        help="of orders; also ORDERFLOW_ORDERS_URL (default: %(default)s)",
    )
    load.add_argument("--rate", type=_rate, default=3.0, help="orders per second (default: %(default)s)")
    load.add_argument("--orders", type=_count, help="how many (default: no end)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port number, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_ORDERS:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {MAX_ORDERS}, not {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 1000:
        raise argparse.ArgumentTypeError(f"a number from 0.01 to 1000, not {text!r}")
    return rate


def _demo(options: argparse.Namespace) -> int:
    from orderflow.runner import Options, run_demo

    broker = checked_broker(options.broker)
    return run_demo(Options(options.orders, options.rate, options.keep, broker))


def _serve(options: argparse.Namespace) -> int:
    from orderflow.serving import Listening, serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.of(options.service, os.environ)
    return serve(settings, Listening(options.host, options.port, options.metrics_port))


def _topics(options: argparse.Namespace) -> int:
    from orderflow.runner.load import make_topics
    from orderflow.serving import subscriptions

    return make_topics(os.environ, options.wait, subscriptions)


def _load(options: argparse.Namespace) -> int:
    from orderflow.runner.load import place_for_ever

    return place_for_ever(options.url, options.rate, options.orders)


if __name__ == "__main__":
    sys.exit(main())
