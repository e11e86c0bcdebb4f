"""The demo's parts one by one: topics, serve, load."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from kafka.admin import KafkaAdminClient

from orderflow.platform.settings import TOPICS
from waiting import scaled, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


def environment(bootstrap_servers, folder, **more):
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "ORDERFLOW_FOLDER": str(folder),
        **more,
    }


@contextlib.contextmanager
def serving(folder, bootstrap_servers, *arguments):
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderflow", "serve", *arguments],
            env=environment(bootstrap_servers, folder), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        assert wait_for(lambda: "has joined group" in log.read_text(), 60), log.read_text()
        yield log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(scaled(30)) == 0
    finally:
        process.kill()
        process.wait()


def orderflow(bootstrap_servers, folder, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "orderflow", *arguments],
        env=environment(bootstrap_servers, folder, **more), capture_output=True, text=True, timeout=scaled(90), check=False,
    )  # fmt: skip


def test_topics_then_orders_with_metrics_then_load(devbroker, tmp_path):
    for _ in range(2):
        done = orderflow(devbroker, tmp_path, "topics")
        assert (done.returncode, done.stdout, done.stderr) == (0, "the topics are there\n", "")
    admin = KafkaAdminClient(bootstrap_servers=devbroker)
    with contextlib.closing(admin):
        assert set(TOPICS) <= set(admin.list_topics())
    with serving(tmp_path, devbroker, "orders", "--port", "0", "--metrics-port", "0") as log:
        url = re.search(r"listening on (\S+)", log)[1]
        metrics = re.search(r"^orders metrics on (\S+)$", log, re.MULTILINE)[1]
        done = orderflow(devbroker, tmp_path, "load", "--url", url, "--rate", "50", "--orders", "7")
        assert (done.returncode, done.stdout, done.stderr) == (0, "7 orders placed\n", "")

        def sent():
            with urllib.request.urlopen(metrics, timeout=scaled(10)) as page:
                text = page.read().decode()
            return re.search(r"^messaging_client_sent_messages_total\{.*\} 7\.0$", text, re.MULTILINE)

        assert wait_for(sent, 20)


def test_topics_on_both_brokers_keep_what_comes_before_the_services(
    devbroker, rabbitmq_server, tmp_path, topic
):
    namespace = topic("shop")[:20]
    places = {
        "ORDERFLOW_BROKER": "both",
        "ORDERFLOW_NAMESPACE": namespace,
        "RABBITMQ_URL": rabbitmq_server.url,
        "RABBITMQ_MANAGEMENT_URL": f"http://127.0.0.1:{rabbitmq_server.management_port}",
    }
    for _ in range(2):
        done = orderflow(devbroker, tmp_path, "topics", **places)
        assert (done.returncode, done.stdout, done.stderr) == (0, "the topics are there\n", "")
    admin = KafkaAdminClient(bootstrap_servers=devbroker)
    with contextlib.closing(admin):
        on_kafka = {name for name in admin.list_topics() if name.startswith(namespace)}
    assert on_kafka == {f"{namespace}.{name}" for name in set(TOPICS) - {"inventory", "payments"}}
    by_queue = {
        (each["source"], each["destination"], each["routing_key"])
        for each in rabbitmq_server.manage("GET", "bindings/%2F")
        if each["source"].startswith(namespace) and not each["source"].endswith(".unheard")
    }
    assert by_queue == {
        (f"{namespace}.{exchange}", f"{namespace}.{exchange}.{namespace}.{group}", kind)
        for exchange, group, kind in (
            ("inventory", "billing", "StockReserved"),
            ("inventory", "orders", "StockReservationFailed"),
            ("payments", "inventory", "PaymentFailed"),
            ("payments", "orders", "PaymentCompleted"),
            ("payments", "orders", "PaymentFailed"),
        )
    }


def test_topics_without_a_broker(tmp_path):
    done = orderflow("127.0.0.1:9", tmp_path, "topics", "--wait", "0")
    assert done.returncode == 3
    assert done.stderr.startswith("orderflow: no Kafka broker reachable at 127.0.0.1:9 (")
    assert done.stderr.count("\n") == 1


def test_a_metrics_port_in_use_is_one_clear_line(devbroker, tmp_path):
    port = devbroker.rpartition(":")[2]
    done = orderflow(devbroker, tmp_path, "serve", "billing", "--metrics-port", port)
    assert done.returncode == 2
    assert done.stderr == f"orderflow: can't listen on 127.0.0.1:{port}: Address already in use\n"
