"""A simulated cluster on its own clock, to hold lag figures to the truth without waiting; a slow proxy."""

from lagkit._cluster import SimulatedCluster
from lagkit._proxy import SlowProxy
from lagkit._watch import Watch

__all__ = ["SimulatedCluster", "SlowProxy", "Watch"]
