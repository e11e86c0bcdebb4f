"""Jars from Maven Central."""

import shutil
import subprocess
from pathlib import Path

from servers._tools import UnavailableError, cache_lock, tool


def fetch_jars(name: str, pom: Path) -> Path:
    """Fetch what a pom depends on unless it is cached, and hand back the folder of the jars.

    Raises:
        UnavailableError: Maven isn't there, or failed.
    """
    with cache_lock(name) as folder:
        libs = folder / "libs"
        if libs.is_dir():
            return libs
        part = folder / "libs.part"
        shutil.rmtree(part, ignore_errors=True)
        maven = subprocess.run(
            [tool("mvn"), "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={part}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )  # fmt: skip
        if maven.returncode != 0:
            reason = (maven.stdout + maven.stderr).strip().splitlines() or ["no output"]
            raise UnavailableError(f"Maven can't fetch the jars of {name}: {reason[0]}")
        part.rename(libs)
        return libs
