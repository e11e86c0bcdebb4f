"""A refusal names what this collector takes, and nothing else: configurations x callers x the role that it takes."""

from __future__ import annotations

import itertools

import pytest

from accesskit.browsing import OURS, PAGE, READ, WRITE, bearer, browser, logged_in
from flowtrail_collector.web.access.model import Access, Person, Role, RoleRules
from flowtrail_collector.web.access.refusing import nobody_may
from flowtrail_collector.web.callers import Caller, Refusal

SEE = "p" * 20
OPTIONS = {
    "token": "--token-file or FLOWTRAIL_TOKEN",
    "write_token": "--write-token-file or FLOWTRAIL_WRITE_TOKEN",
    "payload_token": "--payload-token-file or FLOWTRAIL_PAYLOAD_TOKEN",
}
GIVES = {"token": Role.READ, "write_token": Role.WRITE, "payload_token": Role.PAYLOAD}
CONFIGURED = [
    Access(token, write_token, local, payload_token, people)
    for token, write_token, payload_token, local, people in itertools.product(
        (None, READ), (None, WRITE), (None, SEE), (False, True), Role
    )
]
CALLERS = {
    "nobody": None,
    "a wrong token": "x" * 20,
    "the read token": READ,
    "the write token": WRITE,
    "somebody without a role": Person("1", "ann", Role.NONE),
    "somebody who reads": Person("1", "ann", Role.READ),
    "somebody who writes": Person("1", "ann", Role.WRITE),
}


def refusals():
    for access, (who, caller), needed in itertools.product(CONFIGURED, CALLERS.items(), list(Role)[1:]):
        person = caller if isinstance(caller, Person) else None
        if person is not None and person.role > access.people:
            continue  # nobody has that role there
        given = None if person is not None or caller is None else caller.encode()
        role = access.role_of(given, "collector.example") if person is None else person.role
        asks = Caller(access, role, ("POST", "/", "?"), given=given is not None, person=person)
        refusal = asks.refusal(needed)
        if refusal is not None:
            yield access, who, needed, refusal


def ways(access, needed):
    """By the docs' table of roles: tokens and logins that would be let in."""
    gives = dict(GIVES)
    if access.payload_token is None:
        gives["write_token"] = Role.PAYLOAD
    tokens = [name for name, role in gives.items() if role >= needed and getattr(access, name) is not None]
    return tokens, access.people >= needed


@pytest.mark.parametrize("needed", list(Role)[1:], ids=lambda role: role.word)
def test_a_refusal_names_only_what_the_collector_takes(needed):
    seen = set()
    for access, who, wanted, refusal in refusals():
        if wanted is not needed:
            continue
        case = (access, who, refusal.message)
        seen.add(refusal.status)
        tokens, people = ways(access, needed)
        assert "\n" not in refusal.message, case
        for name, options in OPTIONS.items():
            assert options not in refusal.message or name in tokens, case
        assert people or "log in" not in refusal.message, case
        assert people or "OIDC" not in refusal.message, case
        if not tokens and not people:
            assert refusal.status == 403, case
            assert "start" in refusal.message, case
            assert ("--oidc-role" in refusal.message) == (access.people > Role.NONE), case
            assert refusal.realm is None, case
        elif who.startswith("somebody"):
            assert refusal.status == 403, case
            assert f"this takes the role {needed.word}" in refusal.message, case
        else:
            assert refusal.status == 401, case
            assert ("OIDC" in refusal.message) == people, case
            assert (
                who == "nobody" or any(OPTIONS[name] in refusal.message for name in tokens) or not tokens
            ), case
            assert "--oidc-role" not in refusal.message, case
    assert {401, 403} <= seen


@pytest.mark.parametrize(
    ("access", "token", "needed", "message"),
    [
        (Access(READ), None, Role.READ,
         "an access token is needed: Authorization: Bearer TOKEN (commands: --token or FLOWTRAIL_TOKEN)"),
        (Access(READ), READ, Role.WRITE,
         "this collector is read-only: start it with --write-token-file to allow writes"),
        (Access(READ, people=Role.READ), READ, Role.WRITE,
         "this collector is read-only: start it with --write-token-file or --oidc-role write=VALUE to allow writes"),
        (Access(people=Role.WRITE), None, Role.READ,
         "the role read is needed: log in, or send a token of the OIDC provider: Authorization: Bearer TOKEN"
         " (commands: --token or FLOWTRAIL_TOKEN)"),
        (Access(people=Role.WRITE), "x", Role.READ,
         "that token doesn't give the role read: a token of the OIDC provider of somebody who has it"),
        (Access(READ, people=Role.WRITE), READ, Role.WRITE,
         "that token doesn't give the role write: a token of the OIDC provider of somebody who has it"),
        (Access(READ, WRITE, people=Role.READ), READ, Role.WRITE,
         "that isn't this collector's write token: it is the one of its --write-token-file or FLOWTRAIL_WRITE_TOKEN"),
        (Access(None, WRITE, people=Role.WRITE), "x", Role.READ,
         "that token doesn't give the role read: the one of this collector's --write-token-file or"
         " FLOWTRAIL_WRITE_TOKEN does, or a token of the OIDC provider of somebody who has it"),
        (Access(READ, WRITE, people=Role.WRITE), None, Role.WRITE,
         "the role write is needed: log in, or send the write token or a token of the OIDC provider:"
         " Authorization: Bearer TOKEN (commands: FLOWTRAIL_WRITE_TOKEN)"),
        (Access(READ, people=Role.WRITE), READ, Role.PAYLOAD,
         "nobody has the role payload here: start this collector with --payload-token-file or"
         " --oidc-role payload=VALUE to let somebody see payloads"),
    ],
)  # fmt: skip
def test_what_is_said(access, token, needed, message):
    given = None if token is None else token.encode()
    role = access.role_of(given, "collector.example")
    refusal = Caller(access, role, ("POST", "/", "?"), given=token is not None).refusal(needed)
    assert isinstance(refusal, Refusal)
    assert refusal.message == message


def test_a_collector_that_is_open_on_this_machine_isnt_called_read_only():
    assert "localhost" in nobody_may(Access(local=True), Role.WRITE)


def test_the_highest_role_of_rules():
    assert RoleRules("groups", ()).highest is Role.NONE
    assert RoleRules("groups", (), Role.READ).highest is Role.READ
    assert RoleRules("groups", ((Role.WRITE, "a"), (Role.READ, "b")), Role.READ).highest is Role.WRITE


def test_only_people_who_read_and_the_read_token(issuer):
    login = issuer.login()
    login._rules = RoleRules("groups", ((Role.READ, "staff"),))
    client = browser(login, write_token=None)
    by_token = client.post("/write", headers=bearer(READ))
    assert by_token.status_code == 403
    assert "this collector is read-only" in by_token.json()["error"]
    logged_in(client, issuer, groups=["staff"])
    assert "this collector is read-only" in client.post("/write", headers=OURS).json()["error"]


def test_without_access_tokens_a_browser_that_wants_to_use_one_is_led_to_log_in(issuer):
    client = browser(issuer.login(), token=None, write_token=None)
    led = client.get("/with-token?next=/sagas", headers=PAGE)
    assert (led.status_code, led.headers["location"]) == (303, "/auth/login?next=%2Fsagas")
