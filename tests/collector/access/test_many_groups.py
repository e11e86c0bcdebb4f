"""People with many groups: their tokens are large, or leave the groups out and say so."""

from __future__ import annotations

import asyncio
import logging
import uuid

import httpx
import pytest

from accesskit.browsing import HERE, OURS, PAGE, application, bearer, browser, logged_in
from accesskit.issuer import RULES
from flowtrail_collector.web.access.jwt import MAX_TOKEN_BYTES
from flowtrail_collector.web.access.model import Role, RoleRules, person_of
from flowtrail_collector.web.access.ports import InvalidTokenError
from flowtrail_collector.web.server import MAX_HEADER_BYTES
from trailkit.web import served

pytestmark = pytest.mark.slow

TOO_MANY = (
    "the token has too many groups to list them: use app roles, or only groups assigned to the application"
)
OVERAGES = {
    "code flow": {"groups": None, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}},
    "implicit flow": {"groups": None, "hasgroups": True},
    "as a text": {"groups": None, "hasgroups": "true"},
}  # fmt: skip


def guids(number):
    """As Entra lists groups."""
    return [str(uuid.UUID(int=n)) for n in range(number)]


def paths(number):
    """As Keycloak lists them with full paths."""
    return [f"/company/division-{n:04}/department/team-{n:04}" for n in range(number)]


@pytest.mark.parametrize("groups", [guids(150), guids(200), guids(1000), paths(700)])
def test_they_log_in_and_their_session_stays_small(issuer, groups):
    client = browser(issuer.login())
    back = logged_in(client, issuer, groups=[*groups, "oncall"])
    assert back.status_code == 303, back.text
    assert sum(len(cookie) for cookie in back.headers.get_list("set-cookie")) < 1500
    assert client.post("/write", headers={**OURS, "origin": HERE}).text == "oidc:ann@example.com"


def test_a_token_beyond_the_limit_is_refused_with_what_to_do(issuer):
    client = browser(issuer.login())
    refused = logged_in(client, issuer, groups=guids(2000))
    assert refused.status_code == 403
    assert "the provider&#39;s ID token isn&#39;t valid: it is longer than 65,536 bytes" in refused.text
    assert "use app roles" in refused.text
    with pytest.raises(
        InvalidTokenError, match=r"longer than 65,536 bytes: have the provider put less into it"
    ):
        asyncio.run(issuer.provider().claims_of_token("x" * (MAX_TOKEN_BYTES + 1)))


def test_programs_send_large_tokens_to_a_real_server(issuer):
    token = issuer.signed(issuer.claims(groups=[*guids(1000), "staff"]))
    assert 50_000 < len(token) < MAX_TOKEN_BYTES
    too_long = issuer.signed(issuer.claims(groups=guids(1500)))
    assert MAX_TOKEN_BYTES < len(too_long) < MAX_HEADER_BYTES
    with served(application(issuer.login())) as url, httpx.Client(base_url=url) as client:
        assert client.get("/api/v1/status", headers=bearer(token)).text == "read"
        refused = client.get("/api/v1/status", headers=bearer(too_long))
        assert refused.status_code == 401
        assert "it is longer than 65,536 bytes" in refused.json()["error"]


def test_a_token_with_a_long_header(issuer):
    token = issuer.signed(issuer.claims(), x5c=["A" * 2000])
    assert asyncio.run(issuer.provider().claims_of_token(token))["sub"] == "id-1"


@pytest.mark.parametrize("overage", OVERAGES)
def test_groups_that_a_token_leaves_out_are_named_in_the_refusal(issuer, overage):
    client = browser(issuer.login())
    refused = logged_in(client, issuer, **OVERAGES[overage])
    assert refused.status_code == 403
    assert "has no role here" in refused.text
    assert TOO_MANY in refused.text
    answer = client.get("/api/v1/status", headers=bearer(issuer.signed(issuer.claims(**OVERAGES[overage]))))
    assert answer.status_code == 403
    assert answer.json()["error"].endswith(TOO_MANY)


def test_whoever_comes_in_by_the_default_role_is_told_where_it_is_not_enough(issuer, caplog):
    login = issuer.login()
    login._rules = RoleRules(RULES.claim, RULES.roles, Role.READ)
    client = browser(login)
    with caplog.at_level(logging.INFO, "flowtrail_collector.audit"):
        assert logged_in(client, issuer, **OVERAGES["code flow"]).status_code == 303
    assert TOO_MANY in caplog.text
    assert client.get("/sagas", headers=PAGE).text == "read"
    refused = client.post("/write", headers={**OURS, "origin": HERE})
    assert refused.status_code == 403
    assert refused.json()["error"].endswith(f"has the role read: this takes the role write; {TOO_MANY}")


@pytest.mark.parametrize(
    ("rules", "claims", "unlisted"),
    [
        (RULES, OVERAGES["code flow"], True),
        (RULES, OVERAGES["implicit flow"], True),
        (RULES, {"groups": ["staff"]}, False),
        (RULES, {}, False),
        (RULES, {"hasgroups": False}, False),
        (RULES, {"_claim_names": ["groups"]}, False),
        (RULES, {"_claim_names": {"address": "src1"}}, False),
        # Their app roles are all there, however many groups they have.
        (RoleRules("roles", RULES.roles), OVERAGES["code flow"], False),
        (RoleRules("roles", RULES.roles), {"hasgroups": True}, False),
    ],
)
def test_which_tokens_leave_something_out(rules, claims, unlisted):
    assert person_of({"sub": "1", **claims}, rules).unlisted is unlisted
