"""Child processes, with real ones: readiness, stopping, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cli.machine.process import Child, Program, wait_until_ready
from shared.errors import SetupError
from tests.support.processes import is_alive, wait_until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(900)
"""
PARENT_OF_ONE = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(900)'])
print(child.pid, flush=True)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.stop()


def program(folder: Path, script: str, patience: float = 60) -> Program:
    command = (sys.executable, "-c", script)
    return Program(
        "test", command, folder / "test.log", dict(os.environ), patience=timedelta(seconds=patience)
    )


def test_what_a_child_says_is_in_its_log(tmp_path: Path, started: list[Child]) -> None:
    child = Child(program(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)"))
    started.append(child)
    wait_until(lambda: child.exit_code == 0)
    assert set((tmp_path / "test.log").read_text().split()) == {"out", "err"}


def test_a_child_that_dies_while_starting_is_an_error_with_its_last_words(
    tmp_path: Path, started: list[Child]
) -> None:
    (tmp_path / "test.log").write_text("words of an earlier run\n")
    child = Child(program(tmp_path, "raise SystemExit('no disk')"))
    started.append(child)
    with pytest.raises(SetupError, match=r"test process stopped .*\(exit code 1\): no disk.*test.log"):
        wait_until_ready(child, lambda: False, timedelta(minutes=2))


def test_a_child_that_says_nothing_is_not_quoted_with_an_earlier_run(
    tmp_path: Path, started: list[Child]
) -> None:
    (tmp_path / "test.log").write_text("words of an earlier run\n")
    child = Child(program(tmp_path, "raise SystemExit(4)"))
    started.append(child)
    wait_until(lambda: child.exit_code is not None)
    assert "earlier" not in str(child.died())
    assert "exit code 4" in str(child.died())


def test_a_child_that_is_never_ready_is_an_error(tmp_path: Path, started: list[Child]) -> None:
    child = Child(program(tmp_path, "import time; time.sleep(900)"))
    started.append(child)
    with pytest.raises(SetupError, match=r"not ready within 0 s.*test\.log"):
        wait_until_ready(child, lambda: False, timedelta(milliseconds=100))


def test_a_command_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    missing = Program("test", ("/nonexistent/program",), tmp_path / "test.log", {})
    with pytest.raises(SetupError, match="cannot be started"):
        Child(missing)


def test_a_child_that_does_not_listen_is_killed_after_its_patience(tmp_path: Path) -> None:
    child = Child(program(tmp_path, STUBBORN, patience=0.2))
    wait_until(lambda: "up" in (tmp_path / "test.log").read_text())
    child.stop()
    assert child.exit_code == -signal.SIGKILL
    assert child.ending == "killed by SIGKILL"


def test_what_a_killed_child_had_started_is_killed_too(tmp_path: Path) -> None:
    child = Child(program(tmp_path, PARENT_OF_ONE + STUBBORN, patience=0.2))
    wait_until(lambda: "up" in (tmp_path / "test.log").read_text())
    grandchild = int((tmp_path / "test.log").read_text().split()[0])
    child.stop()
    wait_until(lambda: not is_alive(grandchild))


def test_ctrl_c_at_the_terminal_does_not_reach_a_child(tmp_path: Path, started: list[Child]) -> None:
    child = Child(program(tmp_path, "import time; time.sleep(900)"))
    started.append(child)
    assert os.getpgid(child.pid) != os.getpgid(os.getpid())
    assert os.getsid(child.pid) != os.getsid(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a child that its parent died.")
def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent_script = (
        "import sys, time; from pathlib import Path; from cli.machine.process import Child, Program\n"
        "program = Program('test', (sys.executable, '-c', sys.argv[2]), Path(sys.argv[1]), {})\n"
        "print(Child(program).pid, flush=True); time.sleep(900)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_script, str(tmp_path / "test.log"), STUBBORN],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        time.sleep(0.1)
        parent.kill()
    wait_until(lambda: not is_alive(child))
