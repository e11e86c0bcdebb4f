"""Debian's Chromium, and axe-core (npm), which finds what keeps people from using a page."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from servers._tools import UnavailableError, cache_lock, tool

_AXE = "axe-core@4.14.1"
_NPM_SECONDS = 300


def chromium() -> str:
    """The browser's path.

    Raises:
        UnavailableError: it isn't installed.
    """
    return tool("chromium")


def install() -> Path:
    """Fetch axe-core, unless it is there; its script's path.

    Raises:
        UnavailableError: npm is missing or can't reach its registry.
    """
    with cache_lock(_AXE.replace("@", "-")) as folder:
        script = folder / "package" / "axe.min.js"
        if script.is_file():
            return script
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        npm = subprocess.run(
            [tool("npm"), "pack", "--silent", _AXE],
            cwd=part,
            capture_output=True,
            text=True,
            timeout=_NPM_SECONDS,
            check=False,
        )
        archives = list(part.glob("*.tgz"))
        if npm.returncode != 0 or not archives:
            reason = (npm.stderr + npm.stdout).strip().splitlines() or ["no output"]
            raise UnavailableError(f"npm can't fetch axe-core: {reason[0]}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(part, filter="data")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return script
