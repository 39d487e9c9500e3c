"""The supervisor, with real processes: what dies comes back, and stages end in order."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from cli.machine.ports import LOCALHOST, free_ports, listen
from cli.machine.process import Program
from cli.machine.supervisor import Backoff, Supervisor
from tests.support.processes import wait_until

QUICK = Backoff(first=timedelta(milliseconds=50), longest=timedelta(seconds=1))
FOREVER = "import time; time.sleep(900)"
PATIENCE = timedelta(minutes=2)


class Watched:
    """A supervisor, what it said, and a folder for the logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(self.said.append, QUICK)

    def program(self, name: str, *arguments: str) -> Program:
        command = (sys.executable, *(arguments or ("-c", FOREVER)))
        return Program(name, command, self.folder / f"{name}.log", dict(os.environ), patience=PATIENCE)

    def tend_until_started(self) -> float:
        """Tend until something was started again; returns how long that took."""
        began = time.monotonic()
        wait_until(self.supervisor.tend)
        return time.monotonic() - began


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.supervisor.stop()


def test_a_server_that_is_killed_serves_again(watched: Watched) -> None:
    (port,) = free_ports(1)

    def serves() -> bool:
        try:
            with urlopen(f"http://{LOCALHOST}:{port}") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    server = watched.program("web", "-m", "http.server", str(port), "--bind", LOCALHOST)
    watched.supervisor.launch([server])
    wait_until(serves)
    first = watched.supervisor.processes["web"]
    os.kill(first, signal.SIGKILL)
    watched.tend_until_started()
    wait_until(serves)
    assert watched.supervisor.processes["web"] != first
    assert watched.said == [
        f"The web process stopped (killed by SIGKILL); starting it again in 0.1 s. "
        f"Its log is {watched.folder / 'web.log'}."
    ]


def test_one_that_dies_again_and_again_is_started_later_each_time(watched: Watched) -> None:
    watched.supervisor.launch([watched.program("broken", "-c", "raise SystemExit(1)")])
    waits = [watched.tend_until_started() for _ in range(5)]
    told = [line.partition("again in ")[2].split()[0] for line in watched.said]
    assert told == ["0.1", "0.1", "0.2", "0.4", "0.8"]
    assert all(wait >= 0.05 * 2**number for number, wait in enumerate(waits))


def test_its_neighbours_are_left_alone(watched: Watched) -> None:
    watched.supervisor.launch([watched.program("a"), watched.program("b")])
    before = dict(watched.supervisor.processes)
    os.kill(before["a"], signal.SIGKILL)
    watched.tend_until_started()
    assert watched.supervisor.processes["b"] == before["b"]


def test_one_that_ends_by_itself_with_an_error_is_told_from_one_that_was_killed(watched: Watched) -> None:
    (killed,) = watched.supervisor.launch([watched.program("killed")])
    os.kill(killed.pid, signal.SIGKILL)
    wait_until(lambda: killed.exit_code is not None)
    assert watched.supervisor.given_up() is None
    (broken,) = watched.supervisor.launch([watched.program("broken", "-c", "raise SystemExit(1)")])
    wait_until(lambda: broken.exit_code is not None)
    assert watched.supervisor.given_up() is broken


def test_stages_end_in_reverse_order_and_each_before_the_next(watched: Watched) -> None:
    journal = watched.folder / "journal"
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.2)\n"
        f"    open({str(journal)!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(900)"
    )
    names = ("database", "broker", "api")
    for name in names:
        watched.supervisor.launch([watched.program(name, "-c", script, name)])
    wait_until(lambda: all("up" in (watched.folder / f"{name}.log").read_text() for name in names))
    watched.supervisor.stop()
    assert journal.read_text().split() == ["api", "broker", "database"]
    assert watched.supervisor.processes == {}


def test_a_successor_starts_beside_the_run_that_it_replaces(watched: Watched) -> None:
    (old,) = watched.supervisor.launch([watched.program("web")])
    new = watched.supervisor.succeed("web")
    assert watched.supervisor.processes == {"web": old.pid}
    assert (old.exit_code, new.exit_code) == (None, None)
    assert watched.supervisor.hand_over("web") is old
    assert watched.supervisor.processes == {"web": new.pid}
    wait_until(lambda: old.exit_code is not None)
    assert not watched.supervisor.tend()
    assert watched.said == []


def test_one_that_was_replaced_and_does_not_end_is_killed_after_its_patience(watched: Watched) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); "
    program = replace(watched.program("web", "-c", stubborn + FOREVER), patience=timedelta(seconds=0.3))
    (old,) = watched.supervisor.launch([program])
    wait_until(lambda: program.log.read_text() == "1\n")
    watched.supervisor.succeed("web")
    watched.supervisor.hand_over("web")

    def killed() -> bool:
        watched.supervisor.tend()
        return old.exit_code == -signal.SIGKILL

    wait_until(killed)


def test_a_successor_that_is_not_wanted_ends_and_the_present_run_goes_on(watched: Watched) -> None:
    (old,) = watched.supervisor.launch([watched.program("web")])
    new = watched.supervisor.succeed("web")
    watched.supervisor.abandon("web")
    assert new.exit_code is not None
    assert watched.supervisor.child("web") is old
    assert old.exit_code is None


def test_a_renewed_one_starts_again_at_once_when_it_has_ended_and_that_is_no_death(watched: Watched) -> None:
    watched.supervisor.launch([watched.program("worker")])
    before = watched.supervisor.processes["worker"]
    watched.supervisor.renew("worker")
    watched.tend_until_started()
    assert watched.supervisor.processes["worker"] != before
    assert watched.said == []


def test_everything_ends_in_the_middle_of_a_restart(watched: Watched) -> None:
    (old,) = watched.supervisor.launch([watched.program("a")])
    runs = [old, watched.supervisor.succeed("a")]
    watched.supervisor.hand_over("a")
    runs.append(watched.supervisor.succeed("a"))
    watched.supervisor.stop()
    assert [run.exit_code for run in runs] == [-signal.SIGTERM] * 3


def test_a_program_that_announces_itself_is_believed_as_long_as_it_lives(watched: Watched) -> None:
    says = "import os, time; os.write(int(os.environ['GENEQUEUE_READY_FD']), b'\\n'); "
    loud, mute = watched.program("loud", "-c", says + FOREVER), watched.program("mute")
    children = watched.supervisor.launch([replace(each, announces=True) for each in (loud, mute)])
    wait_until(lambda: children[0].announced)
    assert not children[1].announced
    children[0].stop()
    assert not children[0].announced


def test_a_socket_is_inherited_and_outlives_whoever_accepts_from_it(watched: Watched) -> None:
    accepts = (
        "import socket, sys\n"
        "listener = socket.socket(fileno=int(sys.argv[1]))\n"
        "while True: listener.accept()[0].sendall(b'hello')"
    )
    with listen(LOCALHOST, 0) as listener:
        program = watched.program("web", "-c", accepts, str(listener.fileno()))
        (child,) = watched.supervisor.launch([replace(program, inherited=(listener.fileno(),))])
        child.send(signal.SIGKILL)
        wait_until(lambda: child.exit_code is not None)
        with socket.create_connection(listener.getsockname(), timeout=120) as waiting:
            watched.tend_until_started()
            assert waiting.recv(5) == b"hello"
