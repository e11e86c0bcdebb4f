"""A real Dex, an OpenID provider with its own login pages, built from its Go module; in memory."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from servers._download import Download, digest_of, run
from servers._process import ManagedProcess, Server, answers, free_port

_SOURCES = Path(__file__).parent / "dex"
# Dex numbers its releases as Go modules can't, so it goes by the commit.
VERSION = "v0.0.0-20260806151424-ab64ed778070"
CLIENT, SECRET = "flowtrail", "a secret of dex for flowtrail"
PASSWORD = "a password for tests"


def _build(part: Path) -> None:
    shutil.copytree(_SOURCES, part, dirs_exist_ok=True)
    packages = [f"github.com/dexidp/dex/{name}@{VERSION}" for name in ("server", "storage", "web")]
    for step in (["mod", "init", "built"], ["get", *packages], ["build", "-o", "dex", "."]):
        run(["go", *step], part, f"go {step[0]} fails for Dex")


# Building it takes minutes.
PROGRAM = Download(f"Dex {VERSION}", f"dex-{VERSION}-{digest_of(_SOURCES)[:12]}", "dex", ("go",), _build)


class DexServer(Server):
    """One Dex; each start has other keys, and forgets who was logged in.

    Args:
        folder: where its settings and its output go.
        people: groups by e-mail address; all have the same `PASSWORD`.
        redirects: where logins may lead.

    Raises:
        UnavailableError: it can't be had.
    """

    def __init__(
        self, folder: Path, people: Mapping[str, Sequence[str]], redirects: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._folder = folder
        self._program = PROGRAM.get()
        self._people = people
        self._redirects = list(redirects)
        self._settings = folder / "dex.json"
        self._port = 0

    @property
    def issuer(self) -> str:
        """Its name for itself."""
        return f"http://127.0.0.1:{self._port}/dex"

    def _attempt(self, number: int) -> ManagedProcess:
        self._port = free_port()
        self._write()
        return ManagedProcess(
            "dex",
            [str(self._program), str(self._settings)],
            ready=lambda: answers(f"{self.issuer}/.well-known/openid-configuration"),
            output=self._folder / f"dex-{number}.log",
        )

    def _write(self) -> None:
        people = [
            {"email": email, "password": PASSWORD, "name": email.partition("@")[0], "id": f"id-{number}",
             "groups": list(groups)}
            for number, (email, groups) in enumerate(self._people.items(), 1)
        ]  # fmt: skip
        registered = {"id": CLIENT, "secret": SECRET, "name": "flowtrail", "redirectURIs": self._redirects}
        document = {
            "listen": f"127.0.0.1:{self._port}", "issuer": self.issuer, "clients": [registered], "people": people,
        }  # fmt: skip
        self._settings.write_text(json.dumps(document), encoding="utf-8")
