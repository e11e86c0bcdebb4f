"""Who has which role: tokens and claims, as tables; and where a login may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.web.access.model import Access, Role, RoleRules, person_of, safe_return

READ, WRITE, SEE = "r" * 20, "w" * 20, "p" * 20
NO, R, W, P = Role.NONE, Role.READ, Role.WRITE, Role.PAYLOAD


@pytest.mark.parametrize(
    ("access", "nobody", "read", "write", "see"),
    [
        # as one process on one machine, without any setting
        (Access(local=True), P, P, P, P),
        (Access(), R, R, R, R),
        # tokens, with and without one of its own for payloads
        (Access(READ, local=True), NO, R, NO, NO),
        (Access(READ, WRITE), NO, R, P, NO),
        (Access(None, WRITE), R, R, P, R),
        (Access(READ, WRITE, payload_token=SEE), NO, R, W, P),
        (Access(None, WRITE, local=True, payload_token=SEE), R, R, W, P),
        (Access(READ, None, local=True, payload_token=SEE), NO, R, NO, P),
        # where people log in, nothing is open, and every token goes on
        (Access(local=True, people=P), NO, NO, NO, NO),
        (Access(people=P), NO, NO, NO, NO),
        (Access(READ, WRITE, people=P), NO, R, P, NO),
        (Access(READ, WRITE, payload_token=SEE, people=P), NO, R, W, P),
    ],
)
def test_what_each_token_gives(access, nobody, read, write, see):
    given_tokens = (None, READ.encode(), WRITE.encode(), SEE.encode())
    assert [access.role_of(token, "127.0.0.1") for token in given_tokens] == [nobody, read, write, see]
    assert access.role_of(b"x" * 20, "127.0.0.1") <= nobody
    assert access.role_of(None, "evil.example") <= R


RULES = RoleRules("groups", ((R, "staff"), (W, "oncall"), (P, "privacy")))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, NO),
        ({"groups": []}, NO),
        ({"groups": ["other"]}, NO),
        ({"groups": ["staff"]}, R),
        ({"groups": "oncall"}, W),
        ({"groups": ["staff", "privacy", "oncall"]}, P),
        # exactly, and nothing that only looks like it
        ({"groups": ["Staff", "staff ", "/staff", "on", "oncall,privacy"]}, NO),
        ({"groups": "staff oncall"}, NO),
        ({"groups": {"oncall": True}}, NO),
        ({"groups": [["oncall"], {"oncall": 1}, 1, None, True]}, NO),
        ({"groups": None}, NO),
        ({"groups": 3}, NO),
        ({"group": ["oncall"]}, NO),
    ],
)
def test_the_highest_role_that_a_claim_gives(claims, role):
    assert RULES.role_of(claims) is role
    above = RoleRules("groups", RULES.roles, R)
    assert above.role_of(claims) is (R if role is NO else role)


def test_a_claim_within_claims_and_one_whose_name_has_dots():
    within = RoleRules("realm_access.roles", ((W, "oncall"),))
    assert within.role_of({"realm_access": {"roles": ["oncall"]}}) is W
    assert within.role_of({"realm_access": ["oncall"]}) is NO
    assert within.role_of({"realm_access.roles": ["oncall"]}) is W
    address = RoleRules("https://example.com/roles", ((W, "oncall"),))
    assert address.role_of({"https://example.com/roles": ["oncall"]}) is W


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "1"}, "1"),
        ({"sub": "1", "preferred_username": "ann"}, "ann"),
        ({"sub": "1", "preferred_username": "ann", "email": "a@b.c"}, "a@b.c"),
        ({"sub": "1", "preferred_username": "ann", "email": "a@b.c", "email_verified": False}, "ann"),
        ({"sub": "1", "email": 7, "preferred_username": "  "}, "1"),
        ({"sub": "1", "email": "a\r\nb\x1b[2J\u202e@c"}, "a??b?[2J?@c"),
        ({"sub": "1", "email": "e" * 1000}, "e" * 128),
        ({}, None),
        ({"sub": ""}, None),
        ({"sub": 5}, None),
        ({"sub": "s" * 256}, None),
    ],
)
def test_whom_claims_speak_of(claims, name):
    person = person_of(claims, RULES)
    assert (person and person.name) == name


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/", "/"),
        ("/sagas?flow=a%20b&limit=3", "/sagas?flow=a%20b&limit=3"),
        ("/trails/ORD-1#x", "/trails/ORD-1#x"),
        (None, "/"),
        ("", "/"),
        ("sagas", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/a\\..\\..\\evil", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("/\r\nset-cookie: a=b", "/"),
        (" //evil.example", "/"),
        ("/ümlaut", "/"),
        ("/" + "a" * 2000, "/"),
    ],
)
def test_where_a_login_leads(path, leads):
    assert safe_return(path) == leads


@given(st.text())
def test_a_login_leads_nowhere_else(text):
    from urllib.parse import urljoin, urlsplit

    there = urlsplit(urljoin("https://here.example/auth/callback", safe_return(text)))
    assert (there.scheme, there.netloc) == ("https", "here.example")
