"""`genequeue up`: everything on one machine, started, supervised, stopped; `genequeue restart` beside it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.console import say
from cli.keys import DataDir
from cli.machine.folder import DATA_DIR, DataFolder, RunState
from cli.machine.interrupts import Interrupts, StopRequested
from cli.machine.ports import listen
from cli.machine.run import Run, Wanted
from shared.errors import SetupError

_LOOK_SECONDS = 0.1


def up(
    data_dir: Annotated[Path, typer.Option(help="Where all of it is kept.")] = DATA_DIR,
    port: Annotated[int, typer.Option(help="The API's port.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="The address that the API listens on.")] = "127.0.0.1",
    api_processes: Annotated[
        int, typer.Option(help="How many API processes answer on it.", min=1, max=64)
    ] = 1,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Where the generation worker shows its figures to Prometheus; upkeep takes the next port.",
            envvar="GENEQUEUE_METRICS_PORT",
            min=1,
            max=65534,
        ),
    ] = None,
) -> None:
    """Run GeneQueue on this machine until Ctrl-C: Postgres, Valkey, the API and the workers.

    `genequeue restart` (or SIGHUP) has it go on with newer code, without a failed request.
    """
    folder = DataFolder(data_dir.resolve())
    with Interrupts() as interrupts, folder.taken(), listen(host, port) as listener:
        run = Run(folder, interrupts, Wanted(host, port, api_processes, metrics_port), listener)
        try:
            run.start()
            run.keep_running()
        except StopRequested:
            say("Stopping.")
        finally:
            run.stop()
        say(f"Stopped. The next run on {data_dir} carries on.")


def restart(data_dir: DataDir = DATA_DIR) -> None:
    """Restart a running `genequeue up` with the code and models that are there now, without a failed request.

    The API processes one after another, each when its successor is ready; then the workers, each when it has
    finished its work in hand. Postgres, Valkey and `up` itself stay.
    """
    folder = DataFolder(data_dir.resolve())
    began, before = time.monotonic(), _state_of(folder)
    os.kill(before.pid, signal.SIGHUP)
    now = before
    while now.restarts_ended <= before.restarts_begun:
        time.sleep(_LOOK_SECONDS)
        last, now = now, _state_of(folder)
        for name, pid in now.processes.items():
            if pid != last.processes[name]:
                say(f"{name}: process {last.processes[name]} -> {pid}")
    if now.restart_fault:
        raise SetupError(f"The restart was given up: {now.restart_fault} What was not restarted goes on.")
    say(f"Restarted in {time.monotonic() - began:.1f} s.")


def _state_of(folder: DataFolder) -> RunState:
    """The state of the run that has the folder. Raises SetupError if there is none."""
    if not folder.is_taken:
        raise SetupError(
            f"GeneQueue does not run on {folder.path}. Start it with `genequeue up`, or name its folder with "
            "--data-dir."
        )
    return folder.read_state()
