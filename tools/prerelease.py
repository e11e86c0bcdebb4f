"""Runs the tests of one client of Kafka with the version of it that stands first on the path.

    python -m tools.prerelease CLIENT [pytest's arguments]

Ends with pytest's status; 2 if the client is unknown.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

TESTS = (
    "tests/instrumentation/clients",
    "tests/instrumentation/transparency",
    "tests/instrumentation/zero_code",
    "tests/instrumentation/runtime",
)
WORDS = {
    "kafka-python": "kafka-python or KafkaProducer or kafka_python",
    "confluent-kafka": "confluent or Producer-",
    "aiokafka": "aiokafka or AIOKafka",
}
"""By client, what the ids of its tests have in them."""


def run(arguments: list[str]) -> int:
    """Run them.

    Args:
        arguments: The client's name on PyPI, then what pytest is to get.
    """
    if not arguments or arguments[0] not in WORDS:
        sys.stderr.write(f"usage: python -m tools.prerelease {'|'.join(WORDS)} [pytest's arguments]\n")
        return 2
    client, *rest = arguments
    sys.stdout.write(f"{client} {version(client)}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-m", "not servers", "-k", WORDS[client], *TESTS, *rest]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
