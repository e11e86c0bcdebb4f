"""Waiting in tests: for a condition, never for a time, and with limits that fit the machine.

`FLOWTRAIL_TEST_SLOWNESS` (at least 1) is what every limit is multiplied by. Unset, it is measured: how long
a short piece of work takes here and now compared with a quiet machine, and how many wait for each processor;
at most 20. A passing test takes as long as ever: only limits grow.
"""

from waiting._conditions import Deadline, until, wait_for
from waiting._slowness import scaled, slowness

__all__ = ["Deadline", "scaled", "slowness", "until", "wait_for"]
