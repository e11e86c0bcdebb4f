"""The console's payload pages, as a browser without scripts sees them and sends their forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from starlette.routing import Route
from starlette.testclient import TestClient

from flowtrail_collector.console import DeadLetterPages, FormPages, MendingPages, error_page
from flowtrail_collector.console._pages import static_file
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.form_tokens import FormTokens
from redrivekit import DLQ, own_headers
from redrivekit.mending import Mended

__all__ = ["LETTER", "Forms", "Site"]

ORIGIN = {"origin": "http://127.0.0.1", "accept": "text/html"}
LETTER = f"/dead-letters/{DLQ}/0/0"


class Forms(HTMLParser):
    """Forms of a page that are sent with POST, by action: names and values; and its tags, without its own scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self.tags: list[str] = []
        self._form: dict[str, str] | None = None
        self._area: str | None = None
        # As a browser reads a document (HTML, 13.2.3.5).
        self.feed(text.replace("\r\n", "\n").replace("\r", "\n"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag != "script" or "/static/" not in (values.get("src") or ""):
            self.tags.append(tag)
        if tag == "form" and values.get("method") == "post":
            self._form = self.found[values["action"] or ""] = {}
        elif tag == "input" and self._form is not None:
            if values.get("type") == "checkbox" and "checked" not in values:
                return
            text = values.get("value") or ""
            if values.get("type") != "hidden":  # a field of one line
                text = text.replace("\r", "").replace("\n", "")
            self._form[values["name"] or ""] = text
        elif tag == "textarea" and self._form is not None:
            self._area = values.get("name") or ""
            self._form[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area is not None and self._form is not None:
            self._form[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None and self._form is not None:
            # The first line break isn't part of it, and all are sent as CRLF.
            text = self._form[self._area].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n")
            self._form[self._area], self._area = text.replace("\n", "\r\n"), None
        elif tag == "form":
            self._form = None


class Site(Mended):
    """One dead letter's pages, and a browser.

    Args:
        folder: For the store.
        value: Of the dead letter; key and headers likewise.
        writable: Somebody may write.
        payloads: Payloads are shown.
    """

    def __init__(
        self,
        folder: Path,
        value: bytes | None,
        *,
        key: bytes | None = b"key",
        headers: Sequence[tuple[str, bytes | None]] = (),
        writable: bool = True,
        payloads: bool = True,
    ) -> None:
        super().__init__(folder, [*own_headers(), *headers], value, key=key)
        forms = FormPages(FormTokens(), writable=writable)
        pages = DeadLetterPages(self.desk, forms, payloads=payloads).routes()
        if payloads:
            pages += MendingPages(self.mending, forms).routes()
        self.pages = build_app(
            [*pages, Route("/static/{name}", static_file)], token=None, local=True, on_error=print,
            error_page=error_page,
        )  # fmt: skip
        self.browser = TestClient(
            self.pages, base_url="http://127.0.0.1", headers=ORIGIN, follow_redirects=False
        )

    def forms(self, text: str) -> dict[str, dict[str, str]]:
        """The forms of a page, which runs nothing and holds nothing of others."""
        assert "<script>alert" not in text
        found = Forms(text)
        assert "script" not in found.tags
        assert "b" not in found.tags
        return found.found

    def open(self) -> dict[str, dict[str, str]]:
        """The forms of the dead letter's page."""
        return self.forms(self.browser.get(LETTER).text)

    def form(self) -> tuple[str, dict[str, str]]:
        """The form to change its payload: where it goes, and what it holds."""
        ((action, fields),) = self.open().items()
        ((action, fields),) = self.forms(self.send(action, fields).text).items()
        return action, fields

    def send(self, action: str, fields: Mapping[str, str], status: int = 200, **changes: str) -> Any:
        """What a form is answered."""
        response = self.browser.post(action, data={**fields, **changes})
        assert response.status_code == status, response.text
        return response
