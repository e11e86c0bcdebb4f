"""devbroker alone: its command, its refusals, what it says of transactions, garbage on the socket."""

import contextlib
import gc
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

import confluent_kafka
import kafka
import kafka.errors
import pytest
from kio.schema.errors import ErrorCode

from devbroker import AddressError, DevBroker, Settings
from devbroker.schema import VERSIONS, Api
from servers import free_port
from servers.clients import Confluent, KafkaPython, Message, consume
from servers.raw import RawClient, batch
from waiting import scaled

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(AddressError, match=r"loopback address"):
        DevBroker(host).start()


def test_a_port_in_use_is_said_in_one_line() -> None:
    with DevBroker() as broker:
        expected = f"can't listen on {broker.bootstrap_servers}: the port is in use"
        with pytest.raises(AddressError, match=f"^{expected}$"):
            DevBroker(port=broker.port).start()


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "devbroker"}


def test_stopping_frees_the_port_and_the_thread() -> None:
    before = _threads()
    broker = DevBroker()
    broker.start()
    port = broker.port
    client = RawClient(broker.bootstrap_servers)
    client.send(
        Api.JOIN_GROUP, 0, group_id="g", session_timeout=10_000, protocol_type="c", protocols=[{"name": "x"}]
    )
    broker.stop()
    broker.stop()
    client.close()
    assert _threads() == before
    with DevBroker(port=port) as again:
        assert again.port == port
    with pytest.raises(RuntimeError, match="not running"):
        _ = broker.bootstrap_servers


def test_stopping_closes_what_is_just_connecting() -> None:
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            broker = DevBroker().start()
            with _connecting_all_the_time(broker.host, broker.port, clients=3):
                broker.stop()
            del broker
        gc.collect()
    assert [str(one.message) for one in unclosed] == []


@contextlib.contextmanager
def _connecting_all_the_time(host: str, port: int, clients: int) -> Iterator[None]:
    ending, connected = threading.Event(), threading.Barrier(clients + 1)

    def connect() -> None:
        socket.create_connection((host, port)).close()
        connected.wait(scaled(10))
        while not ending.is_set():
            with contextlib.suppress(OSError):
                socket.create_connection((host, port), scaled(1)).close()

    threads = [threading.Thread(target=connect) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        connected.wait(scaled(10))
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join(scaled(10))


def test_settings_and_what_overrides_them() -> None:
    broker = DevBroker(settings=Settings(default_partitions=7, auto_create_topics=False), partitions=2)
    assert broker.settings.default_partitions == 2
    assert not broker.settings.auto_create_topics
    with broker, RawClient(broker.bootstrap_servers) as client:
        answer = client.call(Api.METADATA, 9, topics=[{"name": "t"}], allow_auto_topic_creation=True)
        assert answer.topics[0].error_code == ErrorCode.unknown_topic_or_partition


def test_ipv6_loopback() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        broker = DevBroker("::1").start()
    except AddressError as error:
        pytest.skip(str(error))
    with broker, RawClient(broker.bootstrap_servers) as client:
        assert client.call(Api.API_VERSIONS, 0).error_code == ErrorCode.none


def test_retention_moves_a_slow_consumer_on() -> None:
    with DevBroker(retention_bytes=20_000, partitions=1) as broker:
        servers = broker.bootstrap_servers
        for number in range(10):
            Confluent().produce(servers, "t", [Message(bytes(5000), b"%d" % number)])
        with KafkaPython().member(servers, "t") as member:
            assert consume(member, 1)[0].offset > 0


# -- transactions: documented as different from a real Kafka --------------------------------------


def test_a_transactional_producer_of_confluent_fails_at_once(devbroker: str) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": devbroker, "transactional.id": "tx", "log_level": 0}
    )
    with pytest.raises(confluent_kafka.KafkaException) as caught:
        producer.init_transactions(10)
    assert caught.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


def test_a_transactional_producer_of_kafka_python_fails_at_once(devbroker: str) -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=devbroker, transactional_id="tx")
    try:
        with pytest.raises(kafka.errors.TransactionalIdAuthorizationFailedError):
            producer.init_transactions()
    finally:
        producer.close(timeout=1)


def test_transactional_batches_are_refused(devbroker: str) -> None:
    with RawClient(devbroker) as client:
        client.call(Api.METADATA, 9, topics=[{"name": "t"}], allow_auto_topic_creation=True)
        records = batch(b"v", transactional=True, producer=(1, 0, 0))
        data = [{"name": "t", "partition_data": [{"index": 0, "records": records}]}]
        answer = client.call(Api.PRODUCE, 9, acks=-1, timeout=1000, topic_data=data)
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.invalid_txn_state


# -- nothing on the socket ends it ----------------------------------------------------------------


def test_garbage_ends_connections_only(devbroker: str) -> None:
    chance = random.Random(7)
    host, _, port = devbroker.rpartition(":")
    for _ in range(150):
        api = chance.choice(list(VERSIONS))
        body = chance.randbytes(chance.randrange(80))
        header = struct.pack(">hhih", api, chance.randint(*VERSIONS[api]), 1, -1)
        frame = chance.choice([chance.randbytes(20), header + body, header + b"\0" + body])
        size = chance.choice([len(frame), len(frame) + 5])
        with socket.create_connection((host, int(port)), timeout=scaled(10)) as connection:
            connection.sendall(struct.pack(">i", size) + frame)
            connection.shutdown(socket.SHUT_WR)
    with RawClient(devbroker) as client:
        assert client.call(Api.API_VERSIONS, 0).error_code == ErrorCode.none


@pytest.mark.parametrize("version", range(4, 13))
def test_an_absurd_array_length_ends_the_connection(devbroker: str, version: int) -> None:
    length = b"\xff\xff\xff\xff\x07" if version >= 9 else b"\x7f\xff\xff\xff"
    tags = b"\0" if version >= 9 else b""
    with RawClient(devbroker) as client, RawClient(devbroker) as other:
        client.send_frame(struct.pack(">hhih", Api.METADATA, version, 1, -1) + tags + length)
        with pytest.raises(EOFError):
            client.receive_frame()
        assert other.call(Api.API_VERSIONS, 0).error_code == ErrorCode.none


def test_a_client_that_hangs_up_while_it_waits_leaves_nothing_behind() -> None:
    before = _threads()
    with DevBroker() as broker:
        for _ in range(20):
            client = RawClient(broker.bootstrap_servers)
            topics = [{"topic": "t", "partitions": [{"partition": 0, "partition_max_bytes": 100}]}]
            client.call(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=True)
            client.send(Api.FETCH, 4, max_wait=60_000, min_bytes=1, topics=topics)
            client.close()
    assert _threads() == before


# -- the command ----------------------------------------------------------------------------------


@pytest.mark.servers
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_announces_itself_and_stops_cleanly(stop: signal.Signals) -> None:
    port = free_port()
    process = _command("--port", str(port))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"devbroker is listening on 127.0.0.1:{port}\n"
        with RawClient(f"127.0.0.1:{port}") as client:
            client.call(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=True)
            process.send_signal(stop)
            assert process.wait(scaled(10)) == 0
        assert process.communicate()[1] == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 is not a loopback address"),
        (["--port", "IN_USE"], "the port is in use"),
        (["--port", "70000"], "port must be 0-65535"),
        (["--port", "x"], "invalid int value"),
        (["--partitions", "0"], "--partitions must be 1 or more"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], message: str) -> None:
    with DevBroker() as taken:
        arguments = [str(taken.port) if argument == "IN_USE" else argument for argument in arguments]
        process = _command(*arguments)
        output, errors = process.communicate(timeout=scaled(20))
    assert process.returncode == 2
    assert output == ""
    assert message in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.servers
def test_the_command_traces_requests() -> None:
    process = _command("--port", "0", "--trace")
    try:
        assert process.stdout is not None
        servers = process.stdout.readline().split()[-1]
        with RawClient(servers) as client:
            client.call(Api.METADATA, 4, topics=[{"name": "traced"}], allow_auto_topic_creation=True)
        process.terminate()
        assert "raw metadata v4" in process.communicate(timeout=scaled(10))[1]
    finally:
        process.kill()
        process.communicate()


def _command(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "devbroker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
