"""The whole demo, as `make demo` runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from flowtrail_collector.sagas.flow_file import load_flows, parse_flows
from orderflow.runner.system import COLLECTOR_PORT
from shopkit.demo import check_output, command, environment, own_processes, read_until, run
from waiting import scaled, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.slow(8), pytest.mark.timeout(300)]
_REFUSED = "127.0.0.1:9"
FLOWS = Path(__file__).parents[3] / "demo" / "orderflow" / "flows.yaml"


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_on_the_embedded_broker(tmp_path):
    done = run(tmp_path, "--orders", "12")
    assert (done.returncode, done.stderr) == (0, "")
    check_output(done.stdout, 12)
    assert list(tmp_path.iterdir()) == []
    assert own_processes(tmp_path) == []


def test_twice_on_one_real_kafka(tmp_path, kafka):
    for _ in range(2):
        done = run(tmp_path, "--orders", "12", KAFKA_BOOTSTRAP_SERVERS=kafka)
        assert (done.returncode, done.stderr) == (0, "")
        check_output(done.stdout, 12)
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        assert not [name for name in admin.list_topics() if str(name).startswith("run-")]
        assert "run-" not in str(admin.list_groups())
    finally:
        admin.close()


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("--orders", "200", *arguments),
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("moment", ["starting the broker", "starting five", "collector http", "ordered "])
def test_ctrl_c_stops_everything_at_any_moment(tmp_path, moment):
    process = started(tmp_path)
    read_until(process, moment)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=scaled(60))
    assert process.returncode == 128 + signal.SIGINT
    assert errors == "\nstopped by SIGINT; nothing is left running\n"
    assert own_processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_keep_leaves_it_running_until_ctrl_c(tmp_path):
    process = subprocess.Popen(
        command("--orders", "6", "--rate", "20", "--keep"),
        env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    collector = read_until(process, "export FLOWTRAIL_COLLECTOR_URL=").strip().partition("=")[2]
    orders = re.search(r"http\S+", read_until(process, "POST orders"))
    assert orders is not None
    with urllib.request.urlopen(orders[0] + "/ORD-000001", timeout=scaled(10)) as answer:
        assert json.load(answer)["order_id"] == "ORD-000001"
    with urllib.request.urlopen(f"{collector}/api/v1/flows/learn", timeout=scaled(10)) as answer:
        learned = parse_flows(json.load(answer)["yaml"]).by_name["order-placed"]
    written = load_flows(FLOWS).by_name["order-fulfilment"]
    assert [(s.done, s.by) for s in learned.steps] == [(s.done, s.by) for s in written.steps]
    assert (learned.starts, learned.completes, learned.cancels) == (
        written.starts, written.completes, written.cancels
    )  # fmt: skip
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=scaled(60))
    assert (process.returncode, errors) == (0, "")
    assert own_processes(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_kill_9_of_the_runner_ends_its_children_and_frees_the_ports(tmp_path):
    process = started(tmp_path)
    line = read_until(process, "collector http")
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", line)]
    assert len(ports) == 3
    process.kill()
    process.communicate(timeout=scaled(10))
    assert wait_for(lambda: not own_processes(tmp_path), 20)
    # Another demo may have taken the collector's port meanwhile. A dying process closes its sockets last.
    assert all(wait_for(partial(free, port), 20) for port in ports if port != COLLECTOR_PORT)


def test_a_child_that_dies_is_named_with_its_last_words(tmp_path):
    process = started(tmp_path)
    read_until(process, "ordered ")
    victim = next(
        pid for pid in own_processes(tmp_path)
        if b"serve\0billing" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )  # fmt: skip
    os.kill(victim, signal.SIGKILL)
    _, errors = process.communicate(timeout=scaled(60))
    assert process.returncode == 1
    assert errors.startswith("orderflow: billing was killed by signal 9")
    assert own_processes(tmp_path) == []


def test_an_unreachable_broker_is_one_clear_line(tmp_path):
    done = run(tmp_path, "--orders", "1", KAFKA_BOOTSTRAP_SERVERS=_REFUSED)
    assert done.returncode == 3
    assert done.stderr.startswith(f"orderflow: no Kafka broker reachable at {_REFUSED} (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "extra", "says"),
    [
        (["--orders", "0"], {}, "a whole number from 1"),
        (["--orders", "many"], {}, "a whole number from 1"),
        (["--rate", "-1"], {}, "a number from"),
        ([], {"KAFKA_BOOTSTRAP_SERVERS": _REFUSED, "ORDERFLOW_NAMESPACE": "No Good"}, "ORDERFLOW_NAMESPACE"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, arguments, extra, says):
    done = run(tmp_path, *arguments, **extra)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "orderflow", "serve", "orders", "--port", str(port)],
            env=environment(tmp_path, KAFKA_BOOTSTRAP_SERVERS=_REFUSED, ORDERFLOW_FOLDER=str(tmp_path)),
            capture_output=True, text=True, timeout=scaled(60), check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"orderflow: can't listen on 127.0.0.1:{port}: Address already in use\n"
