"""What holds the whole run of tests together; `tests/conftest.py` registers it with pytest."""

from harness._fetching import Fetching
from harness._limits import Limits
from harness._outcome import Outcome
from harness._reports import Reports

__all__ = ["Fetching", "Limits", "Outcome", "Reports"]
