"""The console's payload of a dead letter: look, change, look at what changed, send; forms only, no script needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._forms import NO_FORM, FormPages, Values, field_of, posted, problem_of
from flowtrail_collector.console._typed import (
    LINE_ENDS,
    digest,
    from_form,
    in_area,
    in_field,
    packed,
    unpacked,
)
from flowtrail_collector.dead_letters.mending.change import Change, why_unchangeable
from flowtrail_collector.dead_letters.mending.desk import MendingDesk
from flowtrail_collector.dead_letters.mending.web import MAX_BODY_BYTES, draft_json, payload_json
from flowtrail_collector.dead_letters.web.query import place_of, reason_of
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.callers import actor_of, only_for, remote_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.web.prefix import prefix
from flowtrail_collector.wording import marked

__all__ = ["MendingPages"]

_UNKNOWN = "No such dead letter is known here."
Act = Callable[[Request, Values], Response]
_TYPED = ("value", "value_shown", "line_end", "key", "key_shown", "no_key", "headers", "reason")


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
        return self._shown(request)

    def _edit(self, request: Request, values: Values) -> Response:
        """What would be sent; with `confirm` sends what was reviewed, with `again` shows it in the form.

        Body: value, value_shown, line_end, key, key_shown, no_key, headers, reason, edit, signature, confirm, again, form_token.
        """
        typed = {name: values[name] for name in _TYPED if name in values}
        reviewed = values.get("edit")
        if reviewed is not None:
            if not self._tokens.is_signed(request, reviewed, values.get("signature", "")):
                request.state.caller.log_refused(403)
                raise ApiError(403, NO_FORM)
            typed = unpacked(reviewed)
        if values.get("again"):
            return self._shown(request, typed)
        act = self._review if reviewed is None or not values.get("confirm") else self._send
        done = problem_of(lambda: act(request, typed))
        return self._shown(request, typed, done) if isinstance(done, str) else done

    def _shown(self, request: Request, typed: Values | None = None, problem: str = "") -> Response:
        """The payload with the form to change it: as it is, or as it was typed, with what is wrong with that."""
        found = self._desk.payload(place_of(request), actor_of(request, "the console"), remote_of(request))
        if found is None:
            raise ApiError(404, _UNKNOWN)
        data, fixed = payload_json(found), found.problem or why_unchangeable(found.letter)
        if typed is not None and fixed:
            raise ApiError(400, problem or fixed)  # there is no form to fill in; what was typed isn't lost
        value, key = data["value"], data["key"]
        return self._page(
            request, "payload.html", 400 if problem else 200, **{**data, "problem": problem}, unsendable=found.problem, fixed=fixed,
            place=_path(request), typed=typed, wrong=field_of(problem, _TYPED),
            value_form=in_area(value["text"] if value["encoding"] == "text" else ""),
            key_form=in_field(key["text"] if key is not None and key["encoding"] == "text" else ""),
        )  # fmt: skip

    def _review(self, request: Request, typed: Values) -> Response:
        change, actor = _change_of(typed), actor_of(request, "the console")
        draft = self._desk.review(place_of(request), change, actor, remote_of(request))
        if draft is None:
            raise ApiError(404, _UNKNOWN)
        edit = packed(typed)
        return self._page(
            request, "edit.html", **draft_json(draft), reason=change.reason, place=_path(request), edit=edit,
            signature=self._tokens.sign(request, edit),
        )  # fmt: skip

    def _send(self, request: Request, typed: Values) -> Response:
        change, actor = _change_of(typed), actor_of(request, "the console")
        job = self._desk.send(place_of(request), change, actor, remote_of(request))
        if job is None:
            raise ApiError(404, _UNKNOWN)
        return RedirectResponse(f"{prefix()}/redrives/{job.id}", 303)


def _path(request: Request) -> dict[str, str]:
    return {name: request.path_params[name] for name in ("topic", "partition", "offset")}


def _change_of(typed: Values) -> Change:
    """The change that a form asks for; what came back as it was shown stays.

    Raises:
        ApiError: 400, something in it can't be meant.
    """
    return Change(
        reason_of(typed), value=_value_of(typed), key=_key_of(typed), headers=_headers_of(typed.get("headers", ""))
    )  # fmt: skip


def _value_of(typed: Values) -> str | None:
    text, shown = typed.get("value", ""), typed.get("value_shown")
    if (not text) if shown is None else digest(text) == shown:
        return None
    line_end = typed.get("line_end", "LF")
    return from_form(text, line_end if line_end in LINE_ENDS else "LF")


def _key_of(typed: Values) -> Sequence[str | None]:
    text, shown = typed.get("key", ""), typed.get("key_shown")
    is_shown = (not text) if shown is None else digest(text) == shown
    if typed.get("no_key"):
        if text and not is_shown:
            raise ApiError(
                400, "key: a new one is typed, and it is to be sent without one: choose one of them"
            )
        return [None]
    if is_shown:
        return ()
    if not text:
        raise ApiError(400, "key: it is taken out: tick “Send it without a key” if that is meant")
    return [from_form(text)]


def _headers_of(text: str) -> Mapping[str, str | None]:
    headers: dict[str, str | None] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        name, found, value = line.partition("=")
        if not line.strip():
            continue
        name = name.strip(" \t")
        if name in headers:
            raise ApiError(400, f"headers: {marked(name, keep='')[:200]} is there twice")
        headers[name] = from_form(value) if found else None
    return headers
