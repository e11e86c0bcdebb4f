"""compose.yaml's variables, and the file that fills them in for RabbitMQ."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dashkit.files import REPOSITORY

RABBITMQ_ENV = dict(
    line.split("=", 1)
    for line in (REPOSITORY / "deploy" / "rabbitmq.env").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


def filled_in(value: str, environment: Mapping[str, str]) -> str:
    """A value as compose interpolates it."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environment.get(found[1]) or found[2], value)
