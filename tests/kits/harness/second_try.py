"""`python -m harness.second_try OUTCOME NAMES`: whether what failed may be tried once more.

Reads what `pytest --outcome OUTCOME` wrote. If tests ran and failed, few enough, their names go to the
output and, one a line, to the file NAMES (for `pytest @NAMES`), and the exit code is 0. Whatever else ended
that run is told, and the exit code is 1.
"""

import json
import sys
from pathlib import Path

MOST = 10
_TESTS_FAILED = 1


def refusal(outcome: Path) -> str | None:
    """Why there is no second try; None if there is one."""
    try:
        result = json.loads(outcome.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "the run ended before it could say what failed"
    if result["broken"]:
        return "; ".join(result["broken"])
    if result["exit_status"] != _TESTS_FAILED or not result["failed"]:
        return f"pytest ended with exit code {result['exit_status']}, not because of tests that failed"
    if len(result["failed"]) > MOST:
        return f"{len(result['failed'])} tests failed, more than {MOST}"
    return None


def main(outcome: Path, names: Path) -> int:
    """Tell, and write the names."""
    if (reason := refusal(outcome)) is not None:
        print(f"no second try: {reason}", file=sys.stderr)
        return 1
    failed = json.loads(outcome.read_text(encoding="utf-8"))["failed"]
    print(f"a second try for {len(failed)} of at most {MOST}:", *failed, sep="\n  ")
    names.write_text("".join(f"{name}\n" for name in failed), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
