"""What is said to those who may not: only of what this collector takes, else what to start it with."""

from __future__ import annotations

from flowtrail_collector.web.access.model import Access, Role

__all__ = ["nobody_may", "told_to_authenticate"]

# What the token of a role is called, and the options it comes from.
_TOKENS = {
    Role.READ: ("access token", "--token-file or FLOWTRAIL_TOKEN"),
    Role.WRITE: ("write token", "--write-token-file or FLOWTRAIL_WRITE_TOKEN"),
    Role.PAYLOAD: ("payload token", "--payload-token-file or FLOWTRAIL_PAYLOAD_TOKEN"),
}
_OF_PROVIDER = "a token of the OIDC provider"


def nobody_may(access: Access, needed: Role) -> str | None:
    """Why nobody can have a role here, and what to start the collector with; None if somebody can.

    Args:
        access: Who may do what.
        needed: Write or payload: somebody always reads.
    """
    if access.has_way_to(needed):
        return None
    if access.is_open:
        return (
            "without a token, only requests to localhost, 127.0.0.1 or [::1] may do this: ask there, or start"
            " the collector with --write-token-file"
        )
    option = "--payload-token-file" if needed is Role.PAYLOAD else "--write-token-file"
    options = f"{option} or --oidc-role {needed.word}=VALUE" if access.people else option
    if needed is Role.PAYLOAD:
        return f"nobody has the role payload here: start this collector with {options} to let somebody see payloads"
    return f"this collector is read-only: start it with {options} to allow writes"


def told_to_authenticate(access: Access, needed: Role, *, given: bool) -> str:
    """What to send, or why what was sent isn't enough.

    Args:
        access: Who may do what; somebody can have the role.
        needed: What it takes.
        given: A token came along.
    """
    token = access.token_for(needed)
    name, options = _TOKENS[token] if token is not None else ("", "")
    if access.people < needed:
        return _wrong(needed, name, options) if given else f"{_the(name)} is needed: {_how(access, needed)}"
    if given:
        ours = f"the one of this collector's {options} does, or " if name else ""
        return f"that token doesn't give the role {needed.word}: {ours}{_OF_PROVIDER} of somebody who has it"
    send = f"{_the(name)} or {_OF_PROVIDER}" if name else _OF_PROVIDER
    return f"the role {needed.word} is needed: log in, or send {send}: {_how(access, needed)}"


def _wrong(needed: Role, name: str, options: str) -> str:
    if needed is Role.READ:
        return f"that access token isn't this collector's: it is the one of its {options}"
    return f"that isn't this collector's {name}: it is the one of its {options}"


def _the(name: str) -> str:
    return f"an {name}" if name == "access token" else f"the {name}"


def _how(access: Access, needed: Role) -> str:
    variable = "--token or FLOWTRAIL_TOKEN" if needed is Role.READ else "FLOWTRAIL_WRITE_TOKEN"
    if needed is Role.PAYLOAD and (access.payload_token is not None or access.write_token is None):
        variable = "FLOWTRAIL_PAYLOAD_TOKEN"
    return f"Authorization: Bearer TOKEN (commands: {variable})"
