"""HTTPS with a certificate of one's own, and what can't be a certificate."""

from __future__ import annotations

import datetime
import ipaddress
import json
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.responses import JSONResponse
from starlette.routing import Route

from flowtrail_collector.cli import main
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, WebConfig
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.server import WebServer, listen, url_of
from waiting import scaled


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    unencrypted = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted))
    return folder / "cert.pem", folder / "key.pem"


def test_the_command_line_asks_over_https(certificate, capsys, monkeypatch):
    def letters(request):
        """No dead letters.

        Query: state, limit.
        """
        return JSONResponse({"dead_letters": [], "scheme": request.url.scheme})

    app = build_app([Route("/api/v1/dead-letters", letters)], token=None, on_error=lambda part, error: None)
    listener = listen("127.0.0.1", 0)
    server = WebServer(app, listener, certificate)
    ready = threading.Event()
    thread = threading.Thread(target=server.run, kwargs={"on_ready": ready.set}, daemon=True)
    thread.start()
    assert ready.wait(scaled(5))
    url = url_of(listener, tls=True)
    try:
        assert url.startswith("https://")
        monkeypatch.setenv("FLOWTRAIL_CA_FILE", str(certificate[0]))
        assert main(["dlq", "list", "--url", url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["scheme"] == "https"
        monkeypatch.delenv("FLOWTRAIL_CA_FILE")
        assert main(["dlq", "list", "--url", url]) == 3
        assert "certificate" in capsys.readouterr().err.lower()
        monkeypatch.setenv("FLOWTRAIL_CA_FILE", "/nowhere.pem")
        assert main(["dlq", "list", "--url", url]) == 2
    finally:
        server.stop()
        thread.join(scaled(10))
        listener.close()


def config(**values):
    return CollectorConfig(KafkaConfig("broker:9092"), web=WebConfig(**values))


def test_a_pair_that_fits(certificate):
    config(tls_cert=certificate[0], tls_key=certificate[1]).validate()


def test_a_pair_that_doesnt(certificate, tmp_path):
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for pair in ((garbage, certificate[1]), (certificate[0], garbage), (tmp_path / "none", garbage)):
        with pytest.raises(ConfigurationError, match="--tls-cert"):
            config(tls_cert=pair[0], tls_key=pair[1]).validate()


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"write_token": "short"}, "too short"),
        ({"token": "t" * 20, "write_token": "t" * 20}, "must differ"),
        ({"listen": "0.0.0.0:1", "write_token": "t" * 20}, "--insecure"),
    ],
)
def test_tokens_that_make_no_sense(values, part):
    with pytest.raises(ConfigurationError, match=part):
        config(**values).validate()


def test_a_certificate_without_its_key_is_one_clear_line(certificate, capsys):
    arguments = ["collector", "check", "--bootstrap-servers", "b:1", "--tls-cert", str(certificate[0])]
    assert main(arguments) == 2
    assert "--tls-cert and --tls-key go together" in capsys.readouterr().err
