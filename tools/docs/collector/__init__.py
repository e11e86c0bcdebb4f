"""The reference page of the collector, made of the code itself: commands, variables, HTTP paths, metrics.

python -m tools.docs.collector > docs/reference-collector.md
"""

from tools.docs.collector._page import SECTIONS, page

__all__ = ["SECTIONS", "page"]
