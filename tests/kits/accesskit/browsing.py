"""An application that people log in to, and what a browser does with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from accesskit.issuer import ISSUER, Issuer
from flowtrail_collector.console import error_page, not_sent_form
from flowtrail_collector.console._login import LoginPages
from flowtrail_collector.dead_letters.web.posting import posted
from flowtrail_collector.web.access.login import Login
from flowtrail_collector.web.access.model import Access, Role
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.callers import actor_of, only_for
from flowtrail_collector.web.json import json_response

READ, WRITE = "r" * 20, "w" * 20
HERE = "https://flowtrail.example"
PAGE = {"accept": "text/html", "sec-fetch-site": "none"}
OURS = {"sec-fetch-site": "same-origin"}


def application(
    login: Login,
    *,
    token: str | None = READ,
    write_token: str | None = WRITE,
    payload_token: str | None = None,
    root_path: str = "",
) -> ASGIApp:
    """Paths of each kind, and those of logging in."""

    def read(request: Request) -> Response:
        return PlainTextResponse("read")

    def write(request: Request) -> Response:
        return PlainTextResponse(actor_of(request, "claimed"))

    def see(request: Request, values: Mapping[str, Any]) -> Response:
        """Shows something.

        Body: by.
        """
        return json_response(actor_of(request, values.get("by")))

    routes = [
        Route("/sagas", read),
        Route("/api/v1/status", read),
        Route("/metrics", read),
        Route("/readyz", read),
        Route("/v1/traces", read, methods=["POST"]),
        Route("/write", write, methods=["POST"]),
        Route("/see", only_for(Role.PAYLOAD, posted(see)), methods=["POST"]),
        *LoginPages(login, ISSUER, Access(token, write_token)).routes(),
    ]
    return build_app(
        routes, token=token, write_token=write_token, payload_token=payload_token, local=True, people=login,
        on_error=lambda part, error: None, error_page=error_page, not_sent=not_sent_form, root_path=root_path,
    )  # fmt: skip


def browser(login: Login, base: str = HERE, **options: Any) -> TestClient:
    """A browser that follows nothing by itself; for the options see `application`."""
    return TestClient(application(login, **options), base_url=base, follow_redirects=False)


def begun(client: TestClient, path: str = "/auth/start?next=/sagas") -> str:
    """Where a login that begins leads."""
    answer = client.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def logged_in(client: TestClient, issuer: Issuer, **claims: Any) -> httpx2.Response:
    """The answer to somebody who comes back with these claims; see `Issuer.claims`."""
    answer = issuer.answer(begun(client), **claims)
    return client.get("/auth/callback", params=answer)


def bearer(token: str) -> dict[str, str]:
    """Headers with a token."""
    return {"authorization": f"Bearer {token}"}
