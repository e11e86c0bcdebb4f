"""`python -m orderflow`: the demo, or one of its services."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from orderflow.platform.settings import LATER_SERVICES, SERVICES, Settings, SettingsError

MAX_ORDERS = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do it; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "demo":
        return _demo(options)
    return _serve(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orderflow", description="The flowtrail demo.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run everything, place orders, show what became of them")
    demo.add_argument("--orders", type=_count, default=60, help="how many (default: %(default)s)")
    demo.add_argument("--rate", type=_rate, default=3.0, help="orders per second (default: %(default)s)")
    demo.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    serve = commands.add_parser("serve", help="run one service")
    serve.add_argument("service", choices=[*SERVICES, *LATER_SERVICES])
    serve.add_argument(
        "--port", type=int, default=8000, help="HTTP port of orders, 0 for a free one (default: %(default)s)"
    )
    return parser


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

    return run_demo(Options(options.orders, options.rate, options.keep))


def _serve(options: argparse.Namespace) -> int:
    from orderflow.serving import serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return serve(Settings.of(options.service, os.environ), options.port)
    except SettingsError as error:
        print(f"orderflow: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
