"""The reference page of the collector, made of the code itself: commands, variables, HTTP paths, metrics.

python -m flowtrail_collector._reference > docs/reference-collector.md
"""

from flowtrail_collector._reference._page import SECTIONS, page

__all__ = ["SECTIONS", "page"]
