"""Who should do a step whose flow file doesn't say."""

from __future__ import annotations

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.owners import StepOwners
from flowtrail_collector.trails.sql import TrailReads
from sagakit import Core, Happening, core

FLOW = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, within: 3s}
      charge: {done: [Paid, PaidLater], by: billing-eu, within: 6s}
    completes: [Paid, PaidLater]
"""
FLOWS = parse_flows(FLOW)
RESERVE, CHARGE = FLOWS.by_name["orders"].steps


def test_the_flow_file_comes_first():
    owners = StepOwners(FLOWS, lambda: [("Paid", "/billing", 9), ("StockReserved", "/shop/inventory", 3)])
    assert owners(CHARGE) == "billing-eu"
    assert owners(RESERVE) == "inventory"


def test_whoever_published_most_of_late_and_nobody_before_that():
    found = []
    now = [0.0]
    owners = StepOwners(FLOWS, lambda: found, monotonic=lambda: now[0])
    assert owners(RESERVE) is None
    found += [("StockReserved", "/migration", 2), ("StockReserved", "/inventory", 30)]
    assert owners(RESERVE) is None, "not asked again at once"
    now[0] = 61.0
    assert owners(RESERVE) == "inventory"
    found.clear()
    now[0] = 200.0
    assert owners(RESERVE) == "inventory", "not forgotten while nothing happens"


def read_and_wait(made: Core) -> None:
    made.read(
        [
            Happening("OrderPlaced", 1_000, flow="f1"),
            Happening("StockReserved", 1_500, flow="f1", source="/inventory"),
            Happening("OrderPlaced", 2_000, flow="f2"),
        ]
    )
    made.pass_time(60_000)


def test_a_stuck_step_names_who_did_it_for_others(tmp_path):
    with core(tmp_path, FLOW) as made:
        read_and_wait(made)
        reads = TrailReads(made.database, made.flows)
        late = {
            row.correlation_id: [(step.name, step.by) for step in row.saga.steps if step.late]
            for row in reads.list_sagas(SagaFilter(stuck=True))
        }
    assert late == {"f1": [("charge", "billing-eu")], "f2": [("reserve", "inventory")]}
