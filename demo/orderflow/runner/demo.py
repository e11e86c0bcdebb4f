"""The demo from its start to its end."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from orderflow.platform.settings import KAFKA, SERVICES, SettingsError
from orderflow.runner.broker import Broker, inherited_environment, open_broker, send_poison
from orderflow.runner.children import Children
from orderflow.runner.errors import EXIT_MISMATCH, EXIT_OK, EXIT_USAGE, DemoError, Interrupted
from orderflow.runner.placing import Customer, Placed, place_all
from orderflow.runner.progress import Progress, progress_line
from orderflow.runner.report import Report
from orderflow.runner.scenarios import Plan, Scenario, expected, plan
from orderflow.runner.system import System, start_system
from orderflow.runner.tally import Tally, Watcher

SETTLE_SECONDS = 120.0
CATCH_UP_SECONDS = 20.0
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        orders: How many to place.
        per_second: How fast.
        keep: Leave everything running afterwards, until Ctrl-C.
        broker: Which brokers: `kafka`, `rabbitmq` or `both`.
    """

    orders: int = 60
    per_second: float = 3.0
    keep: bool = False
    broker: str = KAFKA


def run_demo(options: Options) -> int:
    """Run the demo.

    Returns:
        0 if everything adds up; 1 if something doesn't; 2 for a wrong setting; 3 for a broker that isn't
        there; 128 + the signal's number if a signal ended it.
    """
    started = time.monotonic()
    console = Console(file=sys.stdout, soft_wrap=True)
    progress = Progress(console)
    folder = Path(tempfile.mkdtemp(prefix="orderflow-"))
    try:
        with Children(folder) as children:
            try:
                return _Run(options, children, folder, console, progress, started).run()
            finally:
                progress.close()
    except (DemoError, SettingsError) as error:
        print(f"orderflow: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, DemoError) else EXIT_USAGE
    except Interrupted as interrupted:
        print(
            f"\nstopped by {signal.Signals(interrupted.number).name}; nothing is left running",
            file=sys.stderr,
        )
        return 128 + interrupted.number
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One run of the demo."""

    def __init__(
        self,
        options: Options,
        children: Children,
        folder: Path,
        console: Console,
        progress: Progress,
        started: float,
    ) -> None:
        self._options = options
        self._children = children
        self._folder = folder
        self._console = console
        self._progress = progress
        self._started = started

    def run(self) -> int:
        environment = inherited_environment()
        self._progress.update("starting the broker", at_once=True)
        broker = open_broker(self._children, environment, self._folder, self._options.broker)
        self._progress.update("starting five services and the collector", at_once=True)
        system = start_system(self._children, broker, self._folder, environment)
        self._progress.say(f"{broker.shown}, orders {system.orders_url}, collector {system.collector_url}")
        watcher = Watcher(system.collector_url)
        try:
            return self._with(system, broker, watcher)
        finally:
            watcher.close()

    def _with(self, system: System, broker: Broker, watcher: Watcher) -> int:
        plans = list(plan(self._options.orders))
        placed = self._place(system, broker, watcher, plans)
        wanted = expected(plans)
        tally = self._settle(watcher, placed, broker.namespace)
        examples = self._examples(watcher, placed)
        self._progress.close()
        problems = self._report(system, broker, placed, wanted, tally, examples)
        for line in problems:
            print(f"orderflow: mismatch: {line}", file=sys.stderr)
        if not problems:
            self._progress.say("\nEvery order is accounted for.")
        if self._options.keep:
            self._keep(system, broker)
        return EXIT_MISMATCH if problems else EXIT_OK

    def _place(self, system: System, broker: Broker, watcher: Watcher, plans: list[Plan]) -> list[Placed]:
        poison_after = max(1, len(plans) // 3)

        def between(placed: list[Placed]) -> None:
            self._children.check()
            if len(placed) == poison_after:
                send_poison(broker)
            self._progress.update(progress_line(len(placed), len(plans), watcher.tally()))

        customer = Customer(system.orders_url)
        try:
            return place_all(customer, plans, self._options.per_second, between)
        finally:
            customer.close()

    def _settle(self, watcher: Watcher, placed: list[Placed], namespace: str) -> Tally:
        """Wait until no flow is open and the dead letter has arrived, but not forever."""

        def settled() -> bool:
            tally = watcher.tally()
            self._progress.update(progress_line(len(placed), len(placed), tally))
            return tally.settled >= len(placed) and tally.open == 0 and watcher.dead_letters() >= 1

        self._until(settled, SETTLE_SECONDS)
        # RabbitMQ tells its counts a few seconds late.
        self._until(lambda: watcher.all_caught_up(SERVICES, namespace), CATCH_UP_SECONDS)
        return watcher.tally()

    def _examples(self, watcher: Watcher, placed: list[Placed]) -> list[tuple[Placed, str]]:
        """The last order with a declined card and the last normal one, once all services' spans are in."""
        examples = []
        for scenario, title, absent in (
            (Scenario.DECLINED, "A compensated order: its card was declined", {"fulfillment"}),
            (Scenario.NORMAL, "A completed order", set()),
        ):
            found = [item for item in placed if item.scenario is scenario]
            if found:
                self._until(partial(self._complete, watcher, found[-1], set(SERVICES) - absent), 10.0)
                examples.append((found[-1], title))
        return examples

    @staticmethod
    def _complete(watcher: Watcher, placed: Placed, services: set[str]) -> bool:
        return services <= watcher.services_of(placed.order_id)

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            self._children.check()
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _report(
        self,
        system: System,
        broker: Broker,
        placed: list[Placed],
        wanted: dict[str, int],
        tally: Tally,
        examples: list[tuple[Placed, str]],
    ) -> list[str]:
        report = Report(self._console, system.collector_url)
        report.scenarios(Counter(item.scenario for item in placed))
        report.tally(len(placed), wanted, tally)
        # On a broker that others use, too, their groups would fill the screen.
        ours = ["--name", broker.namespace] if broker.namespace else []
        report.command("Lag by consumer group", "lag", *ours)
        report.command("Dead letters: the poison event, and nothing else", "dlq", "list")
        for example, title in examples:
            report.command(title, "trace", example.order_id)
        report.figures(time.monotonic() - self._started, system.collector.rss_bytes())
        return tally.mismatches(len(placed), wanted)

    def _keep(self, system: System, broker: Broker) -> None:
        try:  # from the first line on: whoever reads that Ctrl-C ends it may press it at once
            self._progress.say(
                f"\nStill running until Ctrl-C:\n"
                f"  collector      {system.collector_url}\n"
                f"                 export FLOWTRAIL_COLLECTOR_URL={system.collector_url}\n"
                f"  POST orders    {system.orders_url}/orders\n"
                f"{_addresses(broker)}"
                f"  metrics        {' '.join(system.metrics_urls.values())}\n"
                f"  logs, state    {self._folder}"
            )
            while True:
                self._children.check()
                time.sleep(_LOOK_SECONDS)
        except Interrupted:
            return  # that is how this ends; what the demo has found stays its result


def _addresses(broker: Broker) -> str:
    """The brokers' own addresses, for `_keep`."""
    lines = [("broker", broker.bootstrap_servers)] if broker.bootstrap_servers else []
    if broker.rabbitmq is not None:
        lines += [("RabbitMQ", broker.rabbitmq.shown), ("its management", broker.rabbitmq.management)]
    return "".join(f"  {name:<14} {address}\n" for name, address in lines)
