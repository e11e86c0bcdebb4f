"""`python -m servers.install`: fetch ahead what the servers need, so that tests start at once."""

import sys

from servers._catalogue import DOWNLOADS
from servers._tools import UnavailableError


def main() -> int:
    """Fetch all; 1 if something can't be had."""
    failed = 0
    for download in DOWNLOADS.values():
        try:
            print(f"{download.title}: {download.get()}", flush=True)
        except UnavailableError as error:
            print(f"{download.title}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
