"""Every environment variable that the collector and its commands read."""

from __future__ import annotations

from tools.docs.collector._commands import commands, options, variables_of
from tools.docs.collector._markdown import code, table

__all__ = ["OTHERS", "PREFIXES", "variables", "variables_section"]

# Variables that are read by something else than an option.
OTHERS = {
    "FLOWTRAIL_TOKEN": "the token that requests must carry; for `collector run` in place of `--token-file`",
    "FLOWTRAIL_WRITE_TOKEN": "the token that whatever changes something must carry; for `collector run` in place of"
    " `--write-token-file`, for commands what they send",
    "FLOWTRAIL_PAYLOAD_TOKEN": "the token that whatever shows payloads must carry; for `collector run` in place of"
    " `--payload-token-file`, for `dlq payload` and `dlq edit` what they send",
    "FLOWTRAIL_OIDC_CLIENT_SECRET": "the secret of the OIDC client, in place of `--oidc-client-secret-file`",
    "FLOWTRAIL_MCP_TOKEN": "the token that HTTP clients of `flowtrail mcp` must show, in place of `--client-token-file`",
    "FLOWTRAIL_RABBITMQ_PASSWORD": "the password of the user in `--rabbitmq`, in place of `--rabbitmq-password-file`",
    "FLOWTRAIL_CA_FILE": "further authorities (PEM): commands trust them when they ask a collector over HTTPS, a collector when it asks the"
    " OIDC provider",
    "FLOWTRAIL_KAFKA_PROPERTIES": "a `.properties` file with client settings, where `--consumer-config` names none",
    "OTEL_EXPORTER_OTLP_HEADERS": "headers, `name=value,...`, of what the collector sends over OTLP",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "the same for metrics, in its place",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "the same for saga traces, in its place",
}
PREFIXES = {
    "FLOWTRAIL_KAFKA_": "`FLOWTRAIL_KAFKA_<SETTING>` sets a client setting: `FLOWTRAIL_KAFKA_SECURITY_PROTOCOL` is"
    " `security.protocol`; with `_FILE` at its end, its value is in that file. See [lag](lag.md#connection).",
}


def variables() -> dict[str, str]:
    """What each variable sets, by name."""
    found: dict[str, dict[str, None]] = {}
    for context, command in commands():
        for option in options(context, command):
            for name in variables_of(option):
                found.setdefault(name, {})[option.opts[-1]] = None
    meanings = {name: code(*names) for name, names in found.items()}
    return meanings | {
        name: f"{meanings[name]}; {text}" if name in meanings else text for name, text in OTHERS.items()
    }


def variables_section() -> str:
    """All variables, as Markdown."""
    rows = [(code(name), meaning) for name, meaning in sorted(variables().items())]
    further = "\n".join(PREFIXES.values())
    return f"{table(('variable', 'sets'), rows)}\n{further}\n"
