"""A Kafka that creates no topics by itself, and refuses them to whoever it is told to."""

from collections.abc import Iterator

import pytest

from servers import KafkaServer, UnavailableError, servers_required

STRICT = {
    "auto.create.topics.enable": "false",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="package")
def strict_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka without automatic topics, which keeps access lists."""
    try:
        server = KafkaServer(tmp_path_factory.mktemp("strict-kafka"), STRICT)
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    server.start()
    yield server.bootstrap_servers
    server.kill()
