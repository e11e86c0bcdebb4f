"""A simulated cluster with a clock of its own, to hold lag figures to the truth without waiting."""

from lagkit._cluster import SimulatedCluster
from lagkit._watch import Watch

__all__ = ["SimulatedCluster", "Watch"]
