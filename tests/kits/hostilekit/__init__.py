"""A real cluster that odd things are done to, and an oracle that knows every figure which must follow from them.

The oracle works from its own record of what was done, and shares no code with the collector.
"""

from hostilekit._allowed import Allowed, Figures
from hostilekit._brokers import FIRST
from hostilekit._cluster import HostileCluster
from hostilekit._oracle import Oracle
from hostilekit._pairs import Rules
from hostilekit._steps import ODD_GROUPS, Mischief
from hostilekit._watcher import RULES, Watcher, differences, told_apart

__all__ = [
    "FIRST", "ODD_GROUPS", "RULES", "Allowed", "Figures", "HostileCluster", "Mischief", "Oracle", "Rules", "Watcher", "differences", "told_apart",
]  # fmt: skip
