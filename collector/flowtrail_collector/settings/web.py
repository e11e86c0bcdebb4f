"""Settings of the one web address: who reaches it, and with which tokens."""

from __future__ import annotations

import ipaddress
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings.checks import Section, is_http
from flowtrail_collector.settings.oidc import OidcConfig
from flowtrail_collector.web.access.model import Access, Role
from flowtrail_collector.web.access.wire import LoginSettings

Processes = Literal["1", "2"]

_LISTEN = "127.0.0.1:8090"


@dataclass(frozen=True, slots=True)
class WebConfig(Section):
    """The one address for metrics, API, OTLP receiver and console.

    Attributes:
        listen: `HOST:PORT`; port 0 takes a free one.
        token: Bearer token every request must carry, None for no check.
        write_token: Token that whatever changes something must carry; None: see `access`.
        payload_token: Token that whatever shows payloads must carry; None: the write token.
        insecure: Allow a non-loopback address without a token.
        tls_cert: Certificate chain (PEM), None to serve plain HTTP.
        tls_key: Its private key (PEM).
        trace_link: Address of a trace in another tool, with `{trace_id}` in it; empty for none.
        root_path: Path under which a reverse proxy offers the collector, empty for none.
        trusted_proxies: Addresses or networks of proxies whose `X-Forwarded-Prefix` and `X-Forwarded-Proto` count.
        grafana_link: Address of a dashboard; `{from}`, `{to}`, `{trace_id}` and `{id}` in it are filled in.
        grafana_url: Address of a Grafana with flowtrail's dashboards, empty for none.
        processes: 2: requests are answered in another process than the one that reads events; 1: in the same.
        show_payloads: Those with the role `payload` may look at payloads of dead letters, and edit them.
        oidc: Who logs in.
        form_secret: What forms and sessions are signed with if there is no other secret; no setting.
    """

    listen: str = _LISTEN
    token: str | None = None
    insecure: bool = False
    trace_link: str = ""
    grafana_link: str = ""
    grafana_url: str = ""
    write_token: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    processes: Processes = "1"
    show_payloads: bool = False
    payload_token: str | None = None
    oidc: OidcConfig = field(default_factory=OidcConfig)
    form_secret: str = field(default_factory=secrets.token_hex, compare=False, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return parse_listen(self.listen)

    @property
    def access(self) -> Access:
        """Which token gives which role."""
        local = is_loopback(self.address[0])
        people = self.oidc.rules.highest if self.oidc.issuer else Role.NONE
        return Access(self.token, self.write_token, local, self.payload_token, people)

    @property
    def login(self) -> LoginSettings | None:
        """How people log in; None if nobody does."""
        return self.oidc.login(self.form_secret)

    @property
    def shared_secret(self) -> str:
        """What signs forms: the same for all collectors behind one address, where they share a secret."""
        return self.write_token or self.oidc.client_secret or self.form_secret

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate chain and private key, None to serve plain HTTP."""
        return None if self.tls_cert is None or self.tls_key is None else (self.tls_cert, self.tls_key)

    def validate(self) -> None:
        host, _ = self.address
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ConfigurationError("--tls-cert and --tls-key go together")
        if self.trace_link and not (is_http(self.trace_link) and "{trace_id}" in self.trace_link):
            raise ConfigurationError(
                "--trace-link takes an address with {trace_id} in it, such as"
                f" http://localhost:16686/trace/{{trace_id}}, not {self.trace_link!r}"
            )
        if self.grafana_link and not is_http(self.grafana_link):
            raise ConfigurationError(f"--grafana-link takes an address, not {self.grafana_link!r}")
        if self.grafana_url and not is_http(self.grafana_url):
            raise ConfigurationError(
                f"--grafana-url takes an address such as http://localhost:3000, not {self.grafana_url!r}"
            )
        self._check_tokens()
        self.oidc.validate()
        if self.show_payloads and not self.access.is_writable:
            raise ConfigurationError(
                "--show-payloads shows payloads to those who may write, and this collector is read-only:"
                f" set --write-token-file{' or --oidc-role payload=VALUE' if self.oidc.issuer else ''}, too"
            )
        if self.tls is not None:
            _check_tls(*self.tls)
        if not is_loopback(host) and self.token is None and not self.insecure:
            raise ConfigurationError(
                f"{self.listen} can be reached from other machines: set a token (FLOWTRAIL_TOKEN or"
                " --token-file), or pass --insecure if the network is trusted"
            )

    def _check_tokens(self) -> None:
        tokens = {"read": self.token, "write": self.write_token, "payload": self.payload_token}
        given = {name: token for name, token in tokens.items() if token is not None}
        if any(len(token) < 16 for token in given.values()):
            raise ConfigurationError("the token is too short: use at least 16 characters")
        if self.write_token is not None and self.write_token == self.token:
            raise ConfigurationError("the write token must differ from the read token")
        if self.payload_token is not None and self.payload_token in (self.token, self.write_token):
            raise ConfigurationError("the payload token must differ from the read token and the write token")


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[v6]:PORT`, `:PORT` or `PORT` as host and port; without a host, loopback.

    Raises:
        ConfigurationError: Not an address to listen on.
    """
    host, _, port_text = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port_text.isdecimal() or int(port_text) > 65535:
        raise ConfigurationError(f"--listen takes HOST:PORT, for example {_LISTEN}, not {text!r}")
    return host, int(port_text)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_tls(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"--tls-cert {certificate} and --tls-key {key} can't be used: {error.strerror or error}"
        ) from None
