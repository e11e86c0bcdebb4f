"""What the page for people on call asks for: the instances that ended otherwise than well, by when they did."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # Written only as an instance ends so; those that are open, or completed, cost nothing.
    """
CREATE INDEX sagas_ended_badly ON sagas (ended_ms)
 WHERE outcome != 'open' AND outcome != 'completed' AND outcome != 'retired'
""",
)
