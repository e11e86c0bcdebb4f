"""Bearer tokens of a provider: which are valid, and that nothing else is, as one table."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest
from joserfc.jwk import OKPKey, RSAKey

from accesskit.issuer import CLIENT, ISSUER, Issuer, ec_key
from flowtrail_collector.web.access.jwt import MAX_TOKEN_BYTES, looks_like_jwt
from flowtrail_collector.web.access.ports import InvalidTokenError, ProviderUnreachableError
from flowtrail_collector.web.access.provider import Client, OidcProvider

NOW = int(time.time())


@pytest.fixture(scope="module")
def issuer():
    found = Issuer()
    found.keys |= {"ec": ec_key(), "ec384": ec_key("P-384"), "okp": OKPKey.generate_key("Ed25519")}
    # What else a provider's document may hold, and what somebody might smuggle into it.
    found.extra_keys = [
        None, "key", {}, {"kty": "RSA"}, {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "oct"},
        {"kty": "RSA", "kid": "broken", "n": "!!!", "e": "AQAB"}, {"kty": "EC", "kid": 7, "crv": "P-0"},
        {"kty": "RSA", "kid": "short", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 128).decode()},
    ]  # fmt: skip
    return found


@pytest.fixture(scope="module")
def provider(issuer):
    return issuer.provider(now=lambda: NOW)


def asked(provider, token):
    return asyncio.run(provider.claims_of_token(token))


def part(values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def unsigned(header, claims, signature=""):
    return f"{part(header)}.{part(claims)}.{signature}"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({}, {}),
        ({}, {"alg": "RS512"}),
        ({}, {"alg": "PS256"}),
        ({}, {"kid": "ec"}),
        ({}, {"kid": "ec384"}),
        ({}, {"kid": "okp"}),
        ({}, {"kid": "okp", "alg": "EdDSA"}),
        ({}, {"typ": None}),
        ({}, {"typ": "at+jwt"}),
        ({}, {"x5t": "abc", "vendor": "unknown"}),
        ({"aud": ["other", CLIENT]}, {}),
        # clocks differ by up to a minute
        ({"exp": NOW - 59}, {}),
        ({"nbf": NOW + 59, "iat": NOW + 59}, {}),
    ],
)
def test_valid(issuer, provider, claims, header):
    assert asked(provider, issuer.signed(issuer.claims(**{"iat": NOW, **claims}), **header))["sub"] == "id-1"


@pytest.mark.parametrize(
    ("claims", "header", "why"),
    [
        ({"iss": "https://evil.example"}, {}, "iss"),
        ({"iss": ISSUER + "/"}, {}, "iss"),
        ({"iss": None}, {}, "lacks"),
        ({"iss": [ISSUER]}, {}, "iss"),
        ({"aud": "other"}, {}, "aud"),
        ({"aud": [CLIENT + "x"]}, {}, "aud"),
        ({"aud": []}, {}, "aud"),
        ({"aud": {CLIENT: 1}}, {}, "aud"),
        ({"aud": None}, {}, "lacks"),
        ({"sub": None}, {}, "lacks"),
        ({"exp": NOW - 61}, {}, "expired"),
        ({"exp": None}, {}, "lacks"),
        ({"exp": "tomorrow"}, {}, "exp"),
        ({"exp": True}, {}, "exp"),
        ({"nbf": NOW + 61}, {}, "nbf"),
        ({"iat": NOW + 61}, {}, "iat"),
        ({}, {"typ": "logout+jwt"}, "type"),
    ],
)
def test_signed_and_yet_not_for_us(issuer, provider, claims, header, why):
    with pytest.raises(InvalidTokenError, match=why) as caught:
        asked(provider, issuer.signed(issuer.claims(**{"iat": NOW, **claims}), **header))
    assert "\n" not in str(caught.value)


def confused(issuer):
    """Signed with the provider's public key as a shared secret."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(issuer.claims())}"
    mac = hmac.new(issuer.keys["one"].as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def other_key(issuer, **header):
    """Signed with a key that the provider doesn't have."""
    stranger = Issuer()
    return stranger.signed(issuer.claims(), **header)


def changed(issuer):
    """Signed, then given other claims."""
    head, _, signature = issuer.signed(issuer.claims()).split(".")
    return f"{head}.{part(issuer.claims(groups=['privacy']))}.{signature}"


FORGED = {
    "alg none": lambda i: unsigned({"alg": "none"}, i.claims()),
    "alg None": lambda i: unsigned({"alg": "None", "typ": "JWT"}, i.claims()),
    "alg nOnE with a kid": lambda i: unsigned({"alg": "nOnE", "kid": "one"}, i.claims()),
    "no alg": lambda i: unsigned({"kid": "one"}, i.claims()),
    "alg a list": lambda i: unsigned({"alg": ["RS256"], "kid": "one"}, i.claims()),
    "no signature": lambda i: unsigned({"alg": "RS256", "kid": "one"}, i.claims()),
    "signed with the public key": confused,
    "signed with a secret in the document": lambda i: unsigned({"alg": "HS256", "kid": "oct"}, i.claims(), "AA"),
    "a key of its own along with it": lambda i: other_key(
        i, jwk=Issuer().keys["one"].as_dict(private=False), jku="https://evil.example/keys"
    ),
    "another key under a known kid": other_key,
    "an EC alg for an RSA key": lambda i: unsigned({"alg": "ES256", "kid": "one"}, i.claims(), "AA"),
    "a short key": lambda i: unsigned({"alg": "RS256", "kid": "short"}, i.claims(), "AA"),
    "typ a number": lambda i: unsigned({"alg": "RS256", "kid": "one", "typ": 5}, i.claims(), "AA"),
    "a critical header": lambda i: unsigned({"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1}, i.claims(), "AA"),
    "kid a number": lambda i: unsigned({"alg": "RS256", "kid": 1}, i.claims(), "AA"),
    "kid a path": lambda i: unsigned({"alg": "RS256", "kid": "../../dev/null"}, i.claims(), "AA"),
    "claims changed": changed,
    "claims a list": lambda i: unsigned({"alg": "RS256", "kid": "one"}, [1], "AA"),
    "header a list": lambda i: unsigned([1], i.claims(), "AA"),
    "header no JSON": lambda i: "eyJhbGciOi.e30.AA",
    "not base64": lambda i: "ey!.ey!.ey!",
    "empty parts": lambda i: "..",
    "deeply nested": lambda i: part({"alg": "RS256"}) + "." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".AA",
    "huge": lambda i: i.signed(i.claims(blob="x" * MAX_TOKEN_BYTES)),
    "not ASCII": lambda i: "eyü.é.\udcff",
}  # fmt: skip


@pytest.mark.parametrize("what", list(FORGED))
def test_forged(issuer, provider, what):
    with pytest.raises(InvalidTokenError) as caught:
        asked(provider, FORGED[what](issuer))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_without_a_kid_there_has_to_be_one_key_of_its_kind():
    issuer = Issuer()
    token = _nameless(issuer)
    assert asked(issuer.provider(), token)["sub"] == "id-1"
    issuer.keys["two"] = RSAKey.generate_key(2048)
    with pytest.raises(InvalidTokenError, match="key"):
        asked(issuer.provider(), token)


def _nameless(issuer):
    from joserfc import jwt

    return jwt.encode({"alg": "RS256"}, issuer.claims(), issuer.keys["one"])


def test_tokens_for_named_audiences_only(issuer):
    provider = issuer.provider(client=Client(ISSUER, CLIENT, None, audiences=("api", "ops")))
    assert asked(provider, issuer.signed(issuer.claims(aud="ops")))["aud"] == "ops"
    with pytest.raises(InvalidTokenError, match="aud"):
        asked(provider, issuer.signed(issuer.claims()))


@pytest.mark.parametrize(
    ("token", "is_one"),
    [(b"eyJ.e.s", True), (b"plain-token-of-ours", False), (b"a.b.c", False), (b"", False)],
)
def test_our_own_tokens_arent_taken_for_one(token, is_one):
    assert looks_like_jwt(token) is is_one


def test_a_new_key_is_fetched_once_and_unknown_ones_ask_for_nothing():
    async def story():
        issuer = Issuer()
        provider = issuer.provider()
        await provider.claims_of_token(issuer.signed(issuer.claims()))
        assert issuer.asked["/keys"] == 1
        for number in range(200):
            with pytest.raises(InvalidTokenError):
                await provider.claims_of_token(other_key_token(issuer, f"unknown-{number}"))
        # One fetch was due at the first unknown key, if the pause was over; never one for each.
        assert issuer.asked["/keys"] == 1

    def other_key_token(issuer, kid):
        return unsigned({"alg": "RS256", "kid": kid}, issuer.claims(), "AA")

    asyncio.run(story())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"])
def test_a_provider_that_never_gets_to_the_end(answer):
    async def never(reader, writer):
        writer.write(answer)
        await reader.read()
        writer.close()

    async def story():
        server = await asyncio.start_server(never, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        provider = OidcProvider(
            Client(address, CLIENT), on_error=lambda part, error: None, timeout_seconds=0.2
        )
        with pytest.raises(ProviderUnreachableError):
            await provider.claims_of_token(unsigned({"alg": "RS256", "kid": "one"}, {}, "AA"))
        server.close()
        await server.wait_closed()

    asyncio.run(story())


def test_a_provider_that_is_away(caplog):
    async def story():
        issuer = Issuer()
        issuer.down = True
        provider = issuer.provider()
        for _ in range(5):
            with pytest.raises(ProviderUnreachableError, match="503"):
                await provider.claims_of_token(issuer.signed(issuer.claims()))
        assert sum(issuer.asked.values()) == 1

    asyncio.run(story())
    lines = [line for line in caplog.messages if "OIDC provider" in line]
    assert len(lines) == 1
    assert "sessions and access tokens go on" in lines[0]
