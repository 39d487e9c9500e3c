"""The `genequeue` command as its entry point runs it, in this process: no interpreter starts for it.

What a process of its own is about, such as signals, is tested with one (tests/support/machine.py).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from cli.main import main


def run_command(environment: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """What `genequeue ARGUMENTS` prints and ends with, in an environment of its own."""
    command = ["genequeue", *map(str, arguments)]
    with _started(command, environment), redirect_stdout(io.StringIO()) as out:
        with redirect_stderr(io.StringIO()) as error:
            status = _status()
    return subprocess.CompletedProcess(command, status, out.getvalue(), error.getvalue())


def _status() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextmanager
def _started(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    arguments, outside = sys.argv, dict(os.environ)
    try:
        sys.argv = command
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(outside)
