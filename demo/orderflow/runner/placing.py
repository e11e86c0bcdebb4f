"""Placing orders over HTTP, as customers do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from orderflow.runner.errors import DemoError
from orderflow.runner.scenarios import Plan, Scenario


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was accepted.

    Attributes:
        scenario: Which kind.
        order_id: Its id.
        correlation_id: Of its flow.
    """

    scenario: Scenario
    order_id: str
    correlation_id: str


class Customer:
    """Places orders.

    Args:
        orders_url: Of Order Management.
    """

    def __init__(self, orders_url: str) -> None:
        # The environment's proxies are for the internet; these orders stay on this machine.
        self._client = httpx.Client(base_url=orders_url, timeout=10.0, trust_env=False)

    def place(self, plan: Plan) -> Placed:
        """Place one order.

        Raises:
            DemoError: It was refused, or nobody answered.
        """
        try:
            answer = self._client.post("/orders", json=plan.body)
        except httpx.HTTPError as error:
            raise DemoError(f"POST /orders failed: {error or type(error).__name__}") from None
        if answer.status_code != 201:
            raise DemoError(f"POST /orders was answered with {answer.status_code}: {answer.text[:300]}")
        data = answer.json()
        return Placed(plan.scenario, data["order_id"], data["correlation_id"])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def place_all(
    customer: Customer, plans: list[Plan], per_second: float, between: Callable[[list[Placed]], None]
) -> list[Placed]:
    """Place all orders at a steady rate.

    Args:
        customer: Who places them.
        plans: What to place.
        per_second: How fast.
        between: Called after each with what was placed so far.
    """
    placed: list[Placed] = []
    started = time.monotonic()
    for number, plan in enumerate(plans):
        time.sleep(max(0.0, started + number / per_second - time.monotonic()))
        placed.append(customer.place(plan))
        between(placed)
    return placed
