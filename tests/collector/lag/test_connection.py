"""Connection settings: every source, and no secret in sight."""

import base64
import json
import logging
from pathlib import Path

import pytest

from flowtrail_collector.brokers.kafka.connection import (
    ConnectionSettingsError,
    _token_from_file,
    check_reachable,
    read_connection,
)
from flowtrail_collector.errors import ConfigurationError, ServiceUnreachableError

JAVA = """
# what a Java service has
bootstrap.servers=kafka-1:9093,\\
    kafka-2:9093
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
    username="alice" password="s3cret!";
ssl.endpoint.identification.algorithm=
key.deserializer=org.apache.kafka.common.serialization.StringDeserializer
group.id=orders
fetch.min.bytes=1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "client.properties"
    path.write_text(text)
    return path


def test_a_java_clients_file_is_understood(tmp_path: Path) -> None:
    connection = read_connection(properties_file=write(tmp_path, JAVA), environ={})
    assert dict(connection.settings) == {
        "bootstrap.servers": "kafka-1:9093,kafka-2:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "s3cret!",
        "ssl.endpoint.identification.algorithm": "none",
    }
    assert connection.consumer_settings().keys().isdisjoint({"group.id", "key.deserializer"})
    assert connection.consumer_settings(group_id="mine")["fetch.min.bytes"] == "1"
    assert connection.client_settings(client_id="x")["client.id"] == "x"


def test_no_secret_is_ever_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = JAVA + "ssl.key.password=k3y\nsasl.oauthbearer.client.secret=hush\n"
    connection = read_connection(properties_file=write(tmp_path, text), environ={})
    for shown in (repr(connection), str(connection), str(connection.shown()), caplog.text, f"{connection!s}"):
        assert "s3cret!" not in shown
        assert "k3y" not in shown
        assert "hush" not in shown
    assert connection.shown()["sasl.password"] == "***"
    assert connection.shown()["sasl.username"] == "alice"


def test_errors_name_the_setting_and_no_secret(tmp_path: Path) -> None:
    text = JAVA + "sasl.pasword=s3cret!\n"
    with pytest.raises(
        ConnectionSettingsError, match=r'No such configuration property: "sasl\.pasword"'
    ) as caught:
        read_connection(properties_file=write(tmp_path, text), environ={})
    assert "s3cret!" not in str(caught.value)
    assert isinstance(caught.value, ConfigurationError)


def test_the_environment_wins_over_the_file_and_the_caller_over_both(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from-a-file\n")
    environ = {
        "FLOWTRAIL_KAFKA_PROPERTIES": str(write(tmp_path, JAVA)),
        "FLOWTRAIL_KAFKA_SASL_USERNAME": "bob",
        "FLOWTRAIL_KAFKA_SASL_PASSWORD_FILE": str(secret),
        "KAFKA_BOOTSTRAP_SERVERS": "elsewhere:1",
    }
    connection = read_connection(environ=environ, settings={"client.rack": "a"})
    assert connection.bootstrap_servers == "kafka-1:9093,kafka-2:9093"
    assert connection.settings["sasl.username"] == "bob"
    assert connection.settings["sasl.password"] == "from-a-file"
    assert connection.settings["client.rack"] == "a"
    assert read_connection("here:1", environ=environ).bootstrap_servers == "here:1"
    assert (
        read_connection(environ={"KAFKA_BOOTSTRAP_SERVERS": "elsewhere:1"}).bootstrap_servers == "elsewhere:1"
    )


def test_references_to_secrets(tmp_path: Path) -> None:
    (tmp_path / "secrets.properties").write_text("kafka=p1\n")
    (tmp_path / "token").write_text("p2\n")
    for value, expected in {
        "${env:PASSWORD}": "p0",
        f"${{file:{tmp_path}/secrets.properties:kafka}}": "p1",
        f"${{file:{tmp_path}/token}}": "p2",
        f"${{directory:{tmp_path}:token}}": "p2",
        "a-${env:PASSWORD}-b": "a-p0-b",
    }.items():
        connection = read_connection("x:1", settings={"sasl.password": value}, environ={"PASSWORD": "p0"})
        assert connection.settings["sasl.password"] == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sasl.password": "${env:MISSING}"}, "refers to the variable MISSING, which is not set"),
        ({"sasl.password": "${file:/nowhere/x}"}, "refers to the file /nowhere/x, which can't be read"),
        ({"ssl.truststore.location": "/x/trust.jks"}, "export it with 'keytool"),
        ({"ssl.keystore.location": "/x/key.jks"}, "convert it with 'keytool"),
        (
            {"sasl.jaas.config": "com.sun.Krb5LoginModule required;"},
            "Krb5LoginModule; PLAIN, SCRAM and OAUTHBEARER",
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_the_way_out(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConnectionSettingsError, match=message.replace("(", r"\(")):
        read_connection("x:1", settings=settings, environ={})


def test_without_servers_the_ways_to_name_them_are_told() -> None:
    with pytest.raises(
        ConnectionSettingsError, match="--bootstrap-servers HOST:PORT, set KAFKA_BOOTSTRAP_SERVERS"
    ):
        read_connection(environ={})


def test_a_missing_file_is_one_line() -> None:
    with pytest.raises(
        ConnectionSettingsError, match=r"Kafka settings file /nowhere\.properties: No such file"
    ):
        read_connection(properties_file="/nowhere.properties", environ={})


def test_pem_stores_of_java_become_librdkafkas() -> None:
    from flowtrail_collector.brokers.kafka.java_settings import from_java

    native, _ = from_java(
        {
            "ssl.truststore.type": "PEM", "ssl.truststore.location": "/x/ca.pem",
            "ssl.keystore.type": "PEM", "ssl.keystore.location": "/x/client.pem",
        }
    )  # fmt: skip
    assert native == {
        "ssl.ca.location": "/x/ca.pem",
        "ssl.certificate.location": "/x/client.pem",
        "ssl.key.location": "/x/client.pem",
    }


def test_oauthbearer_with_client_credentials() -> None:
    connection = read_connection(
        "x:1",
        settings={
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
            "sasl.jaas.config": "x.OAuthBearerLoginModule required clientId='me' clientSecret='hush';",
        },
        environ={},
    )
    assert connection.settings["sasl.oauthbearer.method"] == "oidc"
    assert connection.settings["sasl.oauthbearer.client.id"] == "me"
    assert "hush" not in repr(connection)
    assert connection.shown()["sasl.oauthbearer.token.endpoint.url"] == "https://login.example/token"


def test_oauthbearer_with_a_token_that_somebody_else_refreshes(tmp_path: Path) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 2_000_000_000}).encode()).decode().rstrip("=")
    token = tmp_path / "token"
    token.write_text(f"e30.{claims}.sig\n")
    connection = read_connection(
        "x:1",
        settings={
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.token.endpoint.url": f"file://{token}",
        },
        environ={},
    )
    assert connection.token_file == token
    assert connection.client_settings()["oauth_cb"]("") == (f"e30.{claims}.sig", 2_000_000_000.0)
    token.write_text("opaque")
    assert _token_from_file(token, "", now=lambda: 100.0) == ("opaque", 400.0)


def test_why_a_cluster_is_out_of_reach() -> None:
    connection = read_connection("127.0.0.1:1", environ={})
    with pytest.raises(
        ServiceUnreachableError, match=r"no Kafka broker answers at 127\.0\.0\.1:1: .*refused"
    ):
        check_reachable(connection, timeout_seconds=0.5)


def test_a_password_may_end_with_a_space(tmp_path: Path) -> None:
    text = JAVA + "sasl.password=s3cret\\ \n"
    connection = read_connection(properties_file=write(tmp_path, text), environ={})
    assert connection.settings["sasl.password"] == "s3cret "


def test_spaces_behind_other_values_dont_count(tmp_path: Path) -> None:
    text = "bootstrap.servers=x:1 \nsecurity.protocol=SSL\t\n"
    connection = read_connection(properties_file=write(tmp_path, text), environ={})
    assert dict(connection.settings) == {"bootstrap.servers": "x:1", "security.protocol": "SSL"}


@pytest.mark.parametrize("escape", ["\\u12", "\\ud800"])
def test_a_malformed_escape_is_told_by_file_and_line(tmp_path: Path, escape: str) -> None:
    path = write(tmp_path, f"{JAVA}sasl.password=hush{escape}hush\n")
    line = JAVA.count("\n") + 1
    with pytest.raises(ConnectionSettingsError, match=rf"client\.properties, line {line}: ") as caught:
        read_connection(properties_file=path, environ={})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_malformed_escape_in_a_file_referred_to_is_told_by_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "kafka=hush\n\nother=\\u12\n")
    reference = f"${{file:{tmp_path}/client.properties:kafka}}"
    with pytest.raises(ConnectionSettingsError, match=r"client\.properties, line 3: "):
        read_connection("x:1", settings={"sasl.password": reference}, environ={})


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_bytes("bootstrap.servers=x:1\nsasl.password=pässword\n".encode())
    assert read_connection(properties_file=path, environ={}).settings["sasl.password"] == "pässword"
    path.write_bytes("bootstrap.servers=x:1\nsasl.password=pässword\n".encode("latin-1"))
    with pytest.raises(ConnectionSettingsError, match=r"client\.properties: is not UTF-8"):
        read_connection(properties_file=path, environ={})
