"""A simulated cluster on its own clock, to hold lag figures to the truth without waiting; a slow proxy and a
second broker for the faults of real ones."""

from lagkit._cluster import SimulatedCluster
from lagkit._proxy import SlowProxy
from lagkit._second_broker import SecondBroker
from lagkit._watch import Watch, explore, pair_lag

__all__ = [
    "SecondBroker",
    "SimulatedCluster",
    "SlowProxy",
    "Watch",
    "explore",
    "pair_lag",
]
