"""`python -m servers.install`: fetch ahead what the servers need, so that tests start at once."""

import sys

from servers import _apicurio, _chromium, _jaeger, _kafka, _kafka_old, _languages
from servers._tools import UnavailableError

_INSTALLERS = {
    "Apache Kafka": _kafka.install,
    "Apache Kafka 0.10": _kafka_old.install,
    "Apicurio Registry": _apicurio.install,
    "axe-core": _chromium.install,
    "Jaeger": _jaeger.install,
    "services in Java, Go and Node": _languages.install,
}


def main() -> int:
    failed = 0
    for name, install in _INSTALLERS.items():
        try:
            print(f"{name}: {install()}")
        except UnavailableError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
