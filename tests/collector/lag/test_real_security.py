"""Lag over every kind of connection that people have, on a real Kafka: TLS, client certificates, SASL."""

import base64
import datetime
import ipaddress
import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowtrail_collector.brokers.kafka.connection import check_reachable, read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import explore, pair_lag
from servers import KafkaServer, UnavailableError, free_port, servers_required
from waiting import Deadline, scaled

pytestmark = [pytest.mark.servers, pytest.mark.fetches("kafka")]

PASSWORD = "a-secret-of-the-watcher"
_MODULES = "org.apache.kafka.common.security"


class SecureKafka(KafkaServer):
    """Beside its plain port one with TLS and SASL, and one with TLS and client certificates."""

    def __init__(self, folder: Path, files: Path) -> None:
        super().__init__(folder)
        self._files = files
        self.sasl_port = self.mutual_port = 0

    def _properties(self, folder: Path) -> dict[str, str]:
        plain = super()._properties(folder)
        self.sasl_port, self.mutual_port = free_port(), free_port()
        more = f"SASL://127.0.0.1:{self.sasl_port},MUTUAL://127.0.0.1:{self.mutual_port}"
        jaas = {
            "plain": f'plain.PlainLoginModule required user_watcher="{PASSWORD}"',
            "scram-sha-256": "scram.ScramLoginModule required",
            "scram-sha-512": "scram.ScramLoginModule required",
            "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="b"',
        }
        return {
            **plain,
            "listeners": f"{plain['listeners']},{more}",
            "advertised.listeners": f"{plain['advertised.listeners']},{more}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": ",".join(name.upper() for name in jaas),
            **{
                f"listener.name.sasl.{name}.sasl.jaas.config": f"{_MODULES}.{value};"
                for name, value in jaas.items()
            },
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._files / "server.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._files / "ca.pem"),
            "listener.name.mutual.ssl.client.auth": "required",
        }


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.certificate = self._signed(self._name, self._key, authority=True)

    def issue(self, name: str) -> bytes:
        """A private key and its certificate, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + self._signed(subject, key, authority=False)
        )  # fmt: skip

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, `server.pem`, `client.pem`, another authority's `other.pem`, `token` and `password`."""
    folder = tmp_path_factory.mktemp("files")
    ours = Authority()
    (folder / "ca.pem").write_bytes(ours.certificate)
    (folder / "server.pem").write_bytes(ours.issue("kafka"))
    (folder / "client.pem").write_bytes(ours.issue("watcher"))
    (folder / "other.pem").write_bytes(Authority().certificate)
    (folder / "token").write_text(token())
    (folder / "password").write_text(PASSWORD + "\n")
    return folder


def token() -> str:
    """A token without a signature, which Kafka's default validator takes."""
    claims = {"sub": "watcher", "iat": time.time() - 5, "exp": time.time() + 600}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[SecureKafka]:
    try:
        kafka = SecureKafka(tmp_path_factory.mktemp("kafka"), files)
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    kafka.start()
    try:
        fill(kafka.bootstrap_servers)
        yield kafka
    finally:
        kafka.kill()


def fill(bootstrap: str) -> None:
    """A user with every kind of SCRAM, ten records, four of them read."""
    plain = {"bootstrap.servers": bootstrap}
    admin = AdminClient(plain)
    for future in admin.create_topics([NewTopic("orders", 1, 1)]).values():
        future.result(scaled(20))
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        user = UserScramCredentialUpsertion(
            "watcher", ScramCredentialInfo(mechanism, 4096), PASSWORD.encode()
        )
        for future in admin.alter_user_scram_credentials([user]).values():
            future.result(scaled(20))
    producer = Producer(plain)
    for _ in range(10):
        producer.produce("orders", b"x", partition=0)
    assert producer.flush(scaled(20)) == 0
    consumer = Consumer({**plain, "group.id": "billing"})
    consumer.commit(offsets=[TopicPartition("orders", 0, 4)], asynchronous=False)
    consumer.close()


def java_file(mechanism: str, files: Path) -> str:
    """The settings of a Java client."""
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    return (
        "group.id=a-service\nkey.deserializer=org.apache.kafka.common.serialization.StringDeserializer\n"
        f"security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\n"
        f"ssl.truststore.type=PEM\nssl.truststore.location={files}/ca.pem\n"
        f'sasl.jaas.config={_MODULES}.{module} required username="watcher" '
        f'password="${{file:{files}/password}}";\n'
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_java_clients_file_with_a_password(
    mechanism: str, secure: SecureKafka, files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "client.properties").write_text(java_file(mechanism, files))
    where = f"127.0.0.1:{secure.sasl_port}"
    connection = read_connection(where, properties_file=tmp_path / "client.properties", environ={})
    check_reachable(connection)
    assert lag_over(where, properties_file=str(tmp_path / "client.properties")) == 6
    assert PASSWORD not in repr(connection) + str(connection.shown()) + caplog.text


def test_everything_from_the_environment(secure: SecureKafka, files: Path) -> None:
    environ = {
        "FLOWTRAIL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FLOWTRAIL_KAFKA_SSL_CA_LOCATION": f"{files}/ca.pem",
        "FLOWTRAIL_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "FLOWTRAIL_KAFKA_SASL_USERNAME": "watcher",
        "FLOWTRAIL_KAFKA_SASL_PASSWORD_FILE": f"{files}/password",
    }
    assert lag_over(f"127.0.0.1:{secure.sasl_port}", environ) == 6


def test_a_token_from_a_file(secure: SecureKafka, files: Path) -> None:
    environ = {
        "FLOWTRAIL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FLOWTRAIL_KAFKA_SSL_CA_LOCATION": f"{files}/ca.pem",
        "FLOWTRAIL_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "FLOWTRAIL_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": f"file:{files}/token",
    }
    assert lag_over(f"127.0.0.1:{secure.sasl_port}", environ) == 6


def test_a_client_certificate(secure: SecureKafka, files: Path) -> None:
    environ = {
        "FLOWTRAIL_KAFKA_SECURITY_PROTOCOL": "SSL",
        "FLOWTRAIL_KAFKA_SSL_CA_LOCATION": f"{files}/ca.pem",
        "FLOWTRAIL_KAFKA_SSL_CERTIFICATE_LOCATION": f"{files}/client.pem",
        "FLOWTRAIL_KAFKA_SSL_KEY_LOCATION": f"{files}/client.pem",
    }
    assert lag_over(f"127.0.0.1:{secure.mutual_port}", environ) == 6


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"SASL_PASSWORD": "guess-the-password"}, r"(?i)authentication failed"),
        ({"SSL_CA_LOCATION": "{files}/other.pem"}, r"(?i)certificate"),
    ],
    ids=["password", "authority"],
)
def test_why_it_does_not_get_in(
    change: Mapping[str, str],
    cause: str,
    secure: SecureKafka,
    files: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SSL_CA_LOCATION": f"{files}/ca.pem",
        "SASL_MECHANISM": "SCRAM-SHA-256",
        "SASL_USERNAME": "watcher",
        "SASL_PASSWORD": PASSWORD,
        **{name: value.format(files=files) for name, value in change.items()},
    }
    environ = {f"FLOWTRAIL_KAFKA_{name}": value for name, value in settings.items()}
    connection = read_connection(f"127.0.0.1:{secure.sasl_port}", environ=environ)
    with pytest.raises(ServiceUnreachableError, match=cause) as caught:
        check_reachable(connection, timeout_seconds=3)
    assert settings["SASL_PASSWORD"] not in str(caught.value) + caplog.text


def lag_over(where: str, environ: Mapping[str, str] | None = None, **source: str) -> int | None:
    """The lag that a poller reads over a connection; records are looked at, too."""
    connection = read_connection(where, environ=environ or {}, **source)  # type: ignore[arg-type]
    poller = LagPoller(
        KafkaLagSource(connection), LagSettings(timeout_seconds=20), prober=KafkaRecordProber(connection)
    )
    try:
        deadline = Deadline(30)
        while not poller.collect() and not deadline.passed:
            time.sleep(0.2)
        explore(poller)
        poller.collect()
        reading = poller.view.reading("billing")
        assert reading is not None
        assert reading.seconds[0] is not None
        return pair_lag(poller.view, "billing", "orders", 0)
    finally:
        poller.close()
