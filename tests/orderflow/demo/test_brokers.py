"""The demo on RabbitMQ, and with Billing there and everybody else on Kafka."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from orderflow.platform.settings import BOTH, BROKERS, TOPICS, Settings, broker_of, topics_on
from orderflow.runner import Options, rabbitmq, run_demo
from servers import RabbitServer
from shopkit.demo import check_output, command, environment, own_processes, read_until, run
from waiting import scaled, wait_for

pytestmark = pytest.mark.timeout(400)
ON_RABBITMQ = ("inventory", "payments")


@pytest.mark.servers
@pytest.mark.slow(60)
def test_on_a_rabbitmq_that_is_there_and_stays_as_it_was(
    tmp_path: Path, rabbitmq_server: RabbitServer
) -> None:
    def everything() -> list[str]:
        kinds = ("queues", "exchanges", "bindings")
        found = (rabbitmq_server.manage("GET", f"{kind}/%2F") for kind in kinds)
        return sorted(json.dumps([each.get("name"), each.get("source")]) for kind in found for each in kind)

    before = everything()
    places = {
        "RABBITMQ_URL": rabbitmq_server.url,
        "RABBITMQ_MANAGEMENT_URL": f"http://127.0.0.1:{rabbitmq_server.management_port}",
    }
    done = run(tmp_path, "--orders", "12", "--broker", "rabbitmq", **places)
    assert (done.returncode, done.stderr) == (0, "")
    check_output(done.stdout, 12)
    assert "guest" not in done.stdout
    assert "embedded broker" not in done.stdout
    assert everything() == before
    assert own_processes(tmp_path) == []


@pytest.fixture
def _installed(rabbitmq_server: RabbitServer) -> None:
    """Skips where there is no RabbitMQ; the demo starts one of its own."""


@pytest.mark.servers
@pytest.mark.slow(60)
@pytest.mark.usefixtures("_installed")
def test_with_billing_on_rabbitmq_an_order_is_one_trail_one_saga_one_map(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--orders", "12", "--keep", "--broker", "both"),
        env=environment(tmp_path, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    printed: list[str] = []
    try:
        collector = read_until(process, "export FLOWTRAIL_COLLECTOR_URL=", printed).strip().partition("=")[2]
        check_output("".join(printed), 12)
        completed = re.findall(r"\$ flowtrail trace (\S+)", "".join(printed))[1]
        trail = _get(f"{collector}/api/v1/trails/{completed}")["trail"]
        assert [saga["outcome"] for saga in trail["sagas"]] == ["completed"]
        topics = {f"rabbitmq:{name}" if name in ON_RABBITMQ else name for name in TOPICS} - {"campaigns"}
        assert {
            each["topic"] for each in trail["entries"] if each["kind"] in ("publish", "notification")
        } == topics
        waits = {each["topic"] for each in trail["entries"] if each["kind"] == "queue"}
        assert waits == topics - {"customers"}, "each event that somebody reads has waited, on both brokers"
        assert len({each["trace_id"] for each in trail["entries"] if each.get("trace_id")}) == 1
        with urllib.request.urlopen(f"{collector}/map", timeout=scaled(10)) as answer:
            page = answer.read().decode()
        assert all(f"<code>{topic}</code>" in page for topic in waits), page
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=scaled(60))
        assert (process.returncode, errors) == (0, "")
        assert own_processes(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.communicate()


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=scaled(10)) as answer:
        return json.load(answer)


@pytest.mark.servers
@pytest.mark.slow(10)
@pytest.mark.usefixtures("_installed")
def test_ctrl_c_while_rabbitmq_starts_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--broker", "rabbitmq"),
        env=environment(tmp_path, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert wait_for(lambda: list(tmp_path.glob("orderflow-*/rabbitmq.log")), 30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=scaled(60))
        assert process.returncode == 128 + signal.SIGINT
        assert errors == "\nstopped by SIGINT; nothing is left running\n"
        assert wait_for(lambda: own_processes(tmp_path) == [], 10)
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("broker", BROKERS)
def test_a_topic_is_on_one_broker(broker: str) -> None:
    places = [topics_on(kind, broker) for kind in ("kafka", "rabbitmq")]
    assert sorted(places[0] + places[1]) == sorted(TOPICS)
    if broker == BOTH:
        assert all(places)
        assert {broker_of(broker, topic) for topic in ON_RABBITMQ} == {"rabbitmq"}, "all that billing touches"


def test_without_a_server_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rabbitmq, "_DEBIAN", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RABBITMQ_URL", raising=False)
    assert run_demo(Options(broker="rabbitmq")) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "orderflow: no RabbitMQ here: install it (Debian, Ubuntu: apt install rabbitmq-server"
    )


@pytest.mark.servers
@pytest.mark.slow(2)
@pytest.mark.parametrize(
    ("arguments", "extra", "code", "says"),
    [
        (["--broker", "rabitmq"], {}, 2, "is kafka, rabbitmq or both, not 'rabitmq'"),
        ([], {"ORDERFLOW_BROKER": "Kafka"}, 2, "is kafka, rabbitmq or both, not 'Kafka'"),
        (
            ["--broker", "both"],
            {"RABBITMQ_URL": "amqp://u:secret@127.0.0.1:9/%2F"},
            3,
            "no RabbitMQ at 127.0.0.1:9 ",
        ),
        (["--broker", "rabbitmq"], {"RABBITMQ_URL": "localhost"}, 2, "RABBITMQ_URL"),
    ],
)
def test_a_wrong_value_is_one_line(
    tmp_path: Path, arguments: list[str], extra: dict[str, str], code: int, says: str
) -> None:
    done = run(tmp_path, *arguments, **extra)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert says in line
    assert "secret" not in line


@pytest.mark.parametrize("broker", BROKERS)
def test_a_service_is_told_which_address_is_missing(tmp_path: Path, broker: str) -> None:
    from orderflow.platform import SettingsError

    given = {"ORDERFLOW_BROKER": broker, "ORDERFLOW_FOLDER": str(tmp_path)}
    addresses = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092", "RABBITMQ_URL": "amqp://localhost/%2F"}
    settings = Settings.of("billing", {**given, **addresses})
    used = {"KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers, "RABBITMQ_URL": settings.rabbitmq_url}
    assert any(used.values())
    for variable, address in used.items():
        rest = {name: value for name, value in addresses.items() if name != variable}
        if address:
            with pytest.raises(SettingsError, match=variable):
                Settings.of("billing", {**given, **rest})
        else:
            assert Settings.of("billing", {**given, **rest}) == settings
