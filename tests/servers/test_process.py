"""Server processes: they start, they fail with a reason, and they never outlive the tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import ManagedProcess, ServerFailedError
from servers._process import wait_for
from waiting import scaled

pytestmark = pytest.mark.servers

_SERVER = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped", flush=True), sys.exit()))
part = pathlib.Path(sys.argv[1] + ".part")
part.write_text(str(os.getpid()))
part.rename(sys.argv[1])
time.sleep(60)
"""


def _server(folder: Path) -> tuple[ManagedProcess, Path]:
    pid = folder / "pid"
    command = [sys.executable, "-c", _SERVER, str(pid)]
    return ManagedProcess("server", command, ready=pid.exists, output=folder / "output"), pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that init hasn't reaped yet is as good as gone.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.startswith("Z") and bool(state.stdout)


_FAMILY = """
import os, pathlib, sys, time
if os.fork():
    os.fork()
pathlib.Path(f"{sys.argv[1]}.{os.getpid()}").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("end", [ManagedProcess.kill, ManagedProcess.stop])
def test_what_was_ended_is_gone_with_all_that_it_started(
    tmp_path: Path, end: Callable[[ManagedProcess], None]
) -> None:
    def started() -> list[Path]:
        return list(tmp_path.glob("pid.*"))

    command = [sys.executable, "-c", _FAMILY, str(tmp_path / "pid")]
    for _ in range(5):
        server = ManagedProcess("s", command, ready=lambda: len(started()) == 3, output=tmp_path / "output")
        server.start()
        end(server)
        assert [path for path in started() if _alive(int(path.suffix[1:]))] == []
        for path in started():
            path.unlink()


def test_stop_is_gentle_and_kill_is_not(tmp_path: Path) -> None:
    server, pid = _server(tmp_path)
    server.start()
    assert server.running
    server.kill()
    assert not server.running
    assert not _alive(int(pid.read_text()))
    assert "stopped" not in server.last_output()
    pid.unlink()
    server.start()
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < scaled(10)
    assert not _alive(int(pid.read_text()))
    assert "stopped" in server.last_output()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print('no disk'); raise SystemExit(3)", "ended"),
        ("print('slow'); time.sleep(60)", "not ready in time"),
    ],
)
def test_a_server_that_does_not_come_up_says_why(tmp_path: Path, script: str, reason: str) -> None:
    server = ManagedProcess(
        "server",
        [sys.executable, "-u", "-c", f"import time; {script}"],
        ready=lambda: False,
        output=tmp_path / "output",
        timeout_seconds=1,
    )
    with pytest.raises(ServerFailedError, match=rf"(?s)server .*{reason}.*(no disk|slow)"):
        server.start()
    assert not server.running


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "sys.exit()"])
def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path, end: str) -> None:
    pid = tmp_path / "pid"
    script = f"""
import os, signal, sys, threading
from pathlib import Path
from servers import ManagedProcess
server = ManagedProcess("server", [sys.executable, "-c", {_SERVER!r}, {str(pid)!r}],
                        ready=Path({str(pid)!r}).exists, output=Path({str(tmp_path / "output")!r}))
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
{end}
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "kits")}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=scaled(60))
    assert ended.returncode in (0, -signal.SIGKILL)
    assert pid.exists()
    assert wait_for(lambda: not _alive(int(pid.read_text())), 10)
