"""How the process of the command ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from waiting import scaled

# A thread that a broker kept waiting, and that has a lot to say once the program ends.
LEFT_BEHIND = """
import sys, threading, time
from flowtrail_collector.cli import _main

said = []

def talk():
    while True:
        said.append(None)
        sys.stderr.write("waiting for a broker " * 400 + "\\n")

def main():
    threading.Thread(target=talk, daemon=True).start()
    before = None
    while before != len(said) or not said:  # until nobody takes any more of it
        before = len(said)
        time.sleep(0.3)
    print("told")
    return 3

_main.main = main
_main.program()
"""


@pytest.mark.slow
def test_threads_left_behind_change_neither_exit_code_nor_output():
    with subprocess.Popen(
        [sys.executable, "-c", LEFT_BEHIND], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.wait(scaled(60)) == 3  # nobody reads what the thread says meanwhile
        finally:
            process.kill()
        assert process.stdout.read() == b"told\n"
        assert b"Fatal Python error" not in process.stderr.read()


def test_without_any_it_ends_as_python_does():
    program = (
        "import atexit; from flowtrail_collector.cli import program; atexit.register(print, 'bye'); program()"
    )
    command = [sys.executable, "-c", program, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), check=True)
    assert done.stdout.startswith("flowtrail ")
    assert done.stdout.splitlines()[-1] == "bye"


def test_an_interrupt_while_it_loads_is_no_stack_trace():
    program = """
from flowtrail_collector.cli import _main

def main():
    raise KeyboardInterrupt

_main.main = main
_main.program()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
