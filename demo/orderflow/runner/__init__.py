"""The runner of the demo: broker, services and collector as processes, orders, tally, report."""

from orderflow.runner.demo import Options, run_demo

__all__ = ["Options", "run_demo"]
