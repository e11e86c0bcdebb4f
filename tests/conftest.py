"""Fixtures that any test may use: brokers, real and embedded, and topic names."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.fetching import MARK, Fetching, named, needs
from harness.kafka_sockets import close_what_never_connected
from harness.limits import Limits
from harness.logs import Logs
from harness.order import LongFirst
from harness.outcome import OPTION, Outcome
from harness.quick import OPTION as QUICK
from harness.quick import Quick
from harness.reports import Reports
from harness.sampling import MARK as SAMPLED
from harness.sampling import sampled
from servers import DexServer, KafkaServer, PostgresServer, RabbitServer, UnavailableError, servers_required
from servers._apicurio import ApicurioServer
from servers._postgres import drop_database, new_database

# How quick the machine is decides no test, and neither does luck: only FLOWTRAIL_FULL looks for new examples.
settings.register_profile(
    "any machine",
    deadline=None,
    derandomize=not os.environ.get("FLOWTRAIL_FULL"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("any machine"), max_examples=10)
settings.load_profile("any machine")
close_what_never_connected()

_NEED_SERVERS = {
    "kafka",
    "kafka_server",
    "postgres",
    "postgres_server",
    "rabbitmq",
    "rabbitmq_server",
    "registry",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, help="a file to write what failed to, as JSON")
    parser.addoption(QUICK, action="store_true", help="what is neither `servers` nor `slow`, within a budget")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Programs that are started in the background of a script ignore it, and so would those that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The readline of a process that runs tests exports a width, which programs take for their terminal's.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    config.addinivalue_line("markers", MARK)
    config.addinivalue_line("markers", SAMPLED)
    for plugin in (Fetching(config), Limits(), LongFirst(), Logs(), Reports()):
        config.pluginmanager.register(plugin)
    if config.getoption(QUICK):
        config.pluginmanager.register(Quick())
        settings.load_profile("quick")
    if (path := config.getoption(OPTION)) is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcome(path))
    # kafka-python reads its message definitions through a function that Python 3.11 and 3.12 deprecate.
    config.addinivalue_line("filterwarnings", "ignore:(read_text|open_text) is deprecated:DeprecationWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:], left = sampled(items)
    if left:
        config.hook.pytest_deselected(items=left)
    for item in items:
        if _NEED_SERVERS.intersection(getattr(item, "fixturenames", ())) or needs(item):
            item.add_marker(pytest.mark.servers)
        # Clients wait for it to let them into groups, to answer polls, and to close.
        if "devbroker" in named(item) and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.slow)


def _unavailable(error: UnavailableError) -> None:
    if servers_required():
        pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
    pytest.skip(str(error))


def _kafka_server(
    folder: Path, properties: dict[str, str] | None = None, *, alone: bool = True
) -> KafkaServer:
    try:
        server = KafkaServer(folder, properties, alone=alone)
    except UnavailableError as error:
        _unavailable(error)
        raise
    server.start()
    return server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka: `FLOWTRAIL_TEST_KAFKA`, else one of our own."""
    if running := os.environ.get("FLOWTRAIL_TEST_KAFKA"):
        yield running
        return
    server = _kafka_server(tmp_path_factory.mktemp("kafka"))
    yield server.bootstrap_servers
    server.kill()


@pytest.fixture
def kafka_server(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """Starts real Kafkas that the test may stop, kill and restart: `kafka_server(properties=None, *, alone=True)`."""
    servers: list[KafkaServer] = []

    def start(properties: dict[str, str] | None = None, *, alone: bool = True) -> KafkaServer:
        servers.append(_kafka_server(tmp_path / f"kafka-{len(servers)}", properties, alone=alone))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def dex_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., DexServer]]:
    """Starts real Dexes, OpenID providers: `dex_server(people, redirects)`."""
    servers: list[DexServer] = []

    def start(people: Mapping[str, Sequence[str]], redirects: Sequence[str]) -> DexServer:
        try:
            servers.append(DexServer(tmp_path_factory.mktemp("dex"), people, redirects))
        except UnavailableError as error:
            _unavailable(error)
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL on which databases may be made: `FLOWTRAIL_TEST_POSTGRES`, else one of our own."""
    if running := os.environ.get("FLOWTRAIL_TEST_POSTGRES"):
        yield running
        return
    try:
        server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    except UnavailableError as error:
        _unavailable(error)
        raise
    server.start()
    yield server.url
    server.close()


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """URL of an empty database on a real PostgreSQL."""
    url = new_database(postgres_server)
    yield url
    drop_database(postgres_server, url)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Confluent-compatible registry: `FLOWTRAIL_TEST_REGISTRY`, else an Apicurio of our own."""
    if running := os.environ.get("FLOWTRAIL_TEST_REGISTRY"):
        yield running
        return
    try:
        server = ApicurioServer(tmp_path_factory.mktemp("apicurio"))
    except UnavailableError as error:
        _unavailable(error)
        raise
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A real RabbitMQ that the tests share: they leave it running, and draw names of their own."""
    try:
        server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    except UnavailableError as error:
        _unavailable(error)
        raise
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> str:
    """URL of a real RabbitMQ: `FLOWTRAIL_TEST_RABBITMQ`, else one of our own."""
    if running := os.environ.get("FLOWTRAIL_TEST_RABBITMQ"):
        return running
    server: RabbitServer = request.getfixturevalue("rabbitmq_server")
    return server.url


@pytest.fixture
def devbroker() -> Iterator[str]:
    """Bootstrap servers of a fresh embedded broker in a thread of this process."""
    from devbroker import DevBroker

    with DevBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(params=["devbroker", pytest.param("kafka", marks=pytest.mark.servers)])
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers, once of the embedded broker and once of a real Kafka."""
    servers: str = request.getfixturevalue(request.param)
    return servers


@pytest.fixture
def topic() -> Callable[..., str]:
    """Makes topic names (and group names) that no other test uses: `topic("orders")`."""
    return lambda stem="topic": f"{stem}-{uuid.uuid4().hex[:12]}"
