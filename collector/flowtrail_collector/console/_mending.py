"""The console's payload of a dead letter: look, change, look at what changed, send; forms only, no script needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._forms import FormPages, Values, posted
from flowtrail_collector.dead_letters.mending.change import Change
from flowtrail_collector.dead_letters.mending.desk import MendingDesk
from flowtrail_collector.dead_letters.mending.web import MAX_BODY_BYTES, draft_json, payload_json
from flowtrail_collector.dead_letters.web.query import place_of, reason_of
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.callers import actor_of, only_for, remote_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.web.prefix import prefix

__all__ = ["MendingPages"]

_UNKNOWN = "No such dead letter is known here."
Act = Callable[[Request, Values], Response]
_EDITED = ("value", "key", "headers", "reason")


class MendingPages:
    """Pages that show a payload and send it with changes. All are answers to forms, and take a role of their own.

    Args:
        desk: Looks, and sends.
        forms: Makes the pages, and checks their forms.
    """

    def __init__(self, desk: MendingDesk, forms: FormPages) -> None:
        self._desk = desk
        self._page, self._tokens = forms.page, forms.tokens

    def routes(self) -> list[BaseRoute]:
        """Where the forms go."""
        place = "/dead-letters/{topic}/{partition}/{offset}"

        def guarded(act: Act, *max_bytes: int) -> Callable[[Request], Awaitable[Response]]:
            return only_for(Role.PAYLOAD, posted(act, self._tokens, *max_bytes))

        return [
            Route(f"{place}/payload", guarded(self._payload), methods=["POST"]),
            Route(f"{place}/edit", guarded(self._edit, MAX_BODY_BYTES), methods=["POST"]),
        ]

    def _payload(self, request: Request, values: Values) -> Response:
        """What a dead letter holds, and the form to change it.

        Body: form_token.
        """
        found = self._desk.payload(place_of(request), actor_of(request, "the console"), remote_of(request))
        if found is None:
            raise ApiError(404, _UNKNOWN)
        return self._page(request, "payload.html", **payload_json(found), place=_path(request))

    def _edit(self, request: Request, values: Values) -> Response:
        """What would be sent; with `confirm` sends it.

        Body: value, key, headers, reason, confirm, form_token.
        """
        change, actor = _change_of(values), actor_of(request, "the console")
        if values.get("confirm"):
            job = self._desk.send(place_of(request), change, actor, remote_of(request))
            if job is None:
                raise ApiError(404, _UNKNOWN)
            return RedirectResponse(f"{prefix()}/redrives/{job.id}", 303)
        draft = self._desk.review(place_of(request), change, actor, remote_of(request))
        if draft is None:
            raise ApiError(404, _UNKNOWN)
        # A browser sends line breaks as CRLF, and shows them as one character.
        fields = {name: values[name].replace("\r\n", "\n") for name in _EDITED if values.get(name)}
        return self._page(request, "edit.html", **draft_json(draft), fields=fields, place=_path(request))


def _path(request: Request) -> dict[str, str]:
    return {name: request.path_params[name] for name in ("topic", "partition", "offset")}


def _change_of(values: Values) -> Change:
    """The change that a form asks for; what was left empty stays."""
    key, value = values.get("key"), values.get("value")
    headers: dict[str, str | None] = {}
    for line in values.get("headers", "").splitlines():
        name, found, text = line.partition("=")
        if line.strip():
            headers[name.strip()] = text if found else None
    return Change(
        reason_of(values),
        value=value.replace("\r\n", "\n") if value else None,
        key=[key] if key else (),
        headers=headers,
    )
