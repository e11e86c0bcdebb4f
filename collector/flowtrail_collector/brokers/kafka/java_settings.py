"""Settings of the Java clients in librdkafka's words.

Source: https://docs.confluent.io/platform/current/clients/librdkafka/html/md_CONFIGURATION.html and
https://kafka.apache.org/documentation/#adminclientconfigs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowtrail_collector.brokers.kafka.properties import PropertiesError

__all__ = ["from_java"]

_OPTION = re.compile(r"""(\w+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|([^\s;]+))""")
_RENAMED = {
    "sasl.mechanism": "sasl.mechanisms",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "sasl.oauthbearer.scope": "sasl.oauthbearer.scope",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "request.timeout.ms": "socket.timeout.ms",
}


def from_java(settings: Mapping[str, str]) -> tuple[dict[str, str], Path | None]:
    """Translate what only the Java clients understand; other settings pass through.

    Returns:
        The settings, and the file that holds an OAUTHBEARER token if
        ``sasl.oauthbearer.token.endpoint.url`` is a ``file:`` address (KIP-768).

    Raises:
        PropertiesError: a key store or login module that only Java can read.
    """
    native = {_RENAMED.get(name, name): value for name, value in settings.items()}
    if native.get("ssl.endpoint.identification.algorithm") == "":
        native["ssl.endpoint.identification.algorithm"] = "none"
    _translate_stores(native)
    _translate_jaas(native)
    token_file = None
    endpoint = native.get("sasl.oauthbearer.token.endpoint.url", "")
    if endpoint.startswith("file:"):
        token_file = Path(unquote(urlsplit(endpoint).path))
        del native["sasl.oauthbearer.token.endpoint.url"]
        native.pop("sasl.oauthbearer.method", None)
    elif endpoint:
        native.setdefault("sasl.oauthbearer.method", "oidc")
    return native, token_file


def _translate_stores(native: dict[str, str]) -> None:
    trust, trust_type = (
        native.pop("ssl.truststore.location", ""),
        native.pop("ssl.truststore.type", "JKS").upper(),
    )
    if trust:
        if trust_type != "PEM" and not trust.endswith((".pem", ".crt")):
            raise PropertiesError(
                f"ssl.truststore.location is a {trust_type} store, which only Java reads: export it with "
                "'keytool -exportcert -rfc' and set ssl.ca.location to the PEM file"
            )
        native["ssl.ca.location"] = trust
    store_type = native.pop("ssl.keystore.type", "").upper()
    location = native.get("ssl.keystore.location", "")
    if location and store_type == "PEM":
        native["ssl.certificate.location"] = native["ssl.key.location"] = native.pop("ssl.keystore.location")
    elif location and (store_type == "JKS" or location.endswith(".jks")):
        raise PropertiesError(
            "ssl.keystore.location is a JKS store, which only Java reads: convert it with 'keytool "
            "-importkeystore -deststoretype PKCS12' and set ssl.keystore.type=PKCS12"
        )


def _translate_jaas(native: dict[str, str]) -> None:
    line = native.pop("sasl.jaas.config", "").strip()
    if not line:
        return
    module = line.split()[0].rpartition(".")[2]
    options = {m[1]: re.sub(r"\\(.)", r"\1", m[2] or m[3] or m[4] or "") for m in _OPTION.finditer(line)}
    if module in ("PlainLoginModule", "ScramLoginModule"):
        names = {"username": "sasl.username", "password": "sasl.password"}
    elif module == "OAuthBearerLoginModule":
        names = {
            "clientId": "sasl.oauthbearer.client.id",
            "clientSecret": "sasl.oauthbearer.client.secret",
            "scope": "sasl.oauthbearer.scope",
        }
    else:
        raise PropertiesError(
            f"sasl.jaas.config names {module}; PLAIN, SCRAM and OAUTHBEARER modules are understood"
        )
    for option, name in names.items():
        if option in options:
            native.setdefault(name, options[option])
